//! What recipes of distributions and of people do with a Makefile of the original, in the forms that are in use.

/// Commands of recipes, and the switches that they are to end up with.
pub const RECIPES: &[(&str, &str)] = &[
    ("make", "fullscrape"),
    ("make -j8 opentracker", "fullscrape"),
    // on make's command line: in place of the usual ones
    ("make FEATURES='-DWANT_V6 -DWANT_FULLSCRAPE'", "fullscrape v6"),
    ("make FEATURES=-DWANT_V6", "v6"),
    ("make FEATURES='-DWANT_FULLSCRAPE -DWANT_DUAL_STACK -DWANT_V4_ONLY'", "dual-stack fullscrape v4-only"),
    ("make FEATURES=-DWANT_V6=1", "v6"),
    ("make FEATURES='v6 sync-live'", "sync-live v6"),
    ("make FEATURES=", ""),
    ("make opentracker FEATURES=-DWANT_SYSLOGS LIBOWFAT_HEADERS=/usr/include/libowfat", "syslogs"),
    // in the environment: in addition to them, also among words that are somebody else's
    (
        "export FEATURES=' -DWANT_COMPRESSION_GZIP -DWANT_IP_FROM_QUERY_STRING'; make",
        "compression-gzip fullscrape ip-from-query-string",
    ),
    ("FEATURES=-DWANT_ACCESSLIST_WHITE make opentracker", "accesslist-white fullscrape"),
    ("FEATURES='sandbox v6 userpriv' make", "fullscrape"),
    ("FEATURES=\"it's -DWANT_V6 * (x\" make", "fullscrape v6"),
    ("FEATURES='sandbox -DWANT_V6' make FEATURES=-DWANT_KEEPALIVE", "keepalive"),
    ("FEATURES= make", "fullscrape"),
    // make -e: the environment's in place of the Makefile's
    ("FEATURES=-DWANT_ACCESSLIST_WHITE make -e", "accesslist-white"),
    ("FEATURES='sandbox userpriv' make -e", "fullscrape"),
    ("prefix=/usr bindir=/usr/bin CFLAGS=-O2 MAKEFLAGS= make -e", "fullscrape"),
    // --eval
    ("make --eval 'FEATURES+=-DWANT_V6'", "fullscrape v6"),
    ("make opentracker '-E FEATURES+=-DWANT_IP_FROM_PROXY' '-E CFLAGS+=-march=native'", "fullscrape ip-from-proxy"),
    ("FEATURES=sandbox make --eval FEATURES+=-DWANT_V6", "fullscrape v6"),
    // CFLAGS
    ("CFLAGS='-O2 -g -D_FORTIFY_SOURCE=2' LDFLAGS=-Wl,-z,relro make", "fullscrape"),
    ("make CFLAGS='-O2 -DWANT_V6 -DSOMETHING' LDFLAGS='-L/usr/lib -lowfat'", "fullscrape v6"),
    // lines uncommented, with patterns of every kind
    ("sed -i 's/^#FEATURES+=-DWANT_V6/FEATURES+=-DWANT_V6/' Makefile; make", "fullscrape v6"),
    ("sed -i s/'#FEATURES+=-DWANT_V6'/'FEATURES+=-DWANT_V6'/ Makefile; make -j 8", "fullscrape v6"),
    ("sed -i '/^#.*DWANT_V6/s/^#//' Makefile; make", "fullscrape v6"),
    ("sed -i '/^#FEATURES+=-DWANT_V6/s/^#//' Makefile; make", "fullscrape v6"),
    ("sed -i -e '/DWANT_V6/s/^#//g' -e '/DWANT_RESTRICT_STATS/s/^#//g' Makefile; make", "fullscrape restrict-stats v6"),
    (
        "sed -i -e '/DWANT_COMPRESSION_GZIP$/s|^#*||g' -e '/LDFLAGS+/s|$|-lz|g' Makefile; make",
        "compression-gzip fullscrape",
    ),
    ("sed -i '/WANT_COMPRESSION_GZIP/s/^#//' Makefile; make", "compression-gzip compression-gzip-always fullscrape"),
    (
        "sed -i 's/^.*DWANT_ACCESSLIST_BLACK.*$/FEATURES+=-DWANT_ACCESSLIST_BLACK/' Makefile; make",
        "accesslist-black fullscrape",
    ),
    ("sed -i '/SYSLOGS/s/^# *//; /ACCESSLIST_WHITE/s/^# *//' Makefile; make", "accesslist-white fullscrape syslogs"),
    ("sed -i '/D_DEBUG_HTTPERROR/s/^#*//' Makefile; make", "fullscrape"),
    // and commented out or deleted
    ("sed -i 's/^FEATURES+=-DWANT_FULLSCRAPE/#&/' Makefile; make", ""),
    ("sed -i '/FULLSCRAPE/s/^/#/' Makefile; make", ""),
    ("sed -i '/FULLSCRAPE/d; /V6/d' Makefile; make", ""),
    ("sed -i 's/-DWANT_FULLSCRAPE/-DWANT_V6/' Makefile; make", "v6"),
    // inserted and appended
    ("sed -i '1iFEATURES+=-DWANT_V6' Makefile; make", "fullscrape v6"),
    ("echo 'FEATURES+=-DWANT_V6' >> Makefile; make", "fullscrape v6"),
    (
        "sed -i '/^PREFIX/c PREFIX=/usr' Makefile; sed -i '/^LIBOWFAT_HEADERS=/c LIBOWFAT_HEADERS=/x' Makefile; make",
        "fullscrape",
    ),
    // as FreeBSD's ports call it, with all that their framework says in any case
    (
        "export PREFIX=/usr/local LOCALBASE=/usr/local LIBDIR=/usr/lib MANPREFIX=/usr/local CPP=cpp \
         BSD_INSTALL_PROGRAM='install -s -m 555' BSD_INSTALL_MAN='install -m 444'; \
         make -f Makefile -j2 CC=cc CXX=c++ CFLAGS='-O2 -pipe -fstack-protector-strong -fno-strict-aliasing' \
         LDFLAGS='-fstack-protector-strong -L/usr/local/lib' LIBOWFAT_HEADERS=/usr/local/include/libowfat \
         FEATURES='-DWANT_IP_FROM_QUERY_STRING -DWANT_FULLSCRAPE' DESTDIR=$pkgdir all",
        "fullscrape ip-from-query-string",
    ),
    // OpenWrt's packages
    (
        "CFLAGS='-Os -pipe -march=x86-64 -fno-caller-saves -ffile-prefix-map=/a=b' LDFLAGS='-L/staging/usr/lib -znow -zrelro' \
         make -C . CROSS=x86_64-openwrt-linux-musl- ARCH=x86_64 AR=x86_64-openwrt-linux-musl-gcc-ar AS='gcc -c' LD=ld.bfd \
         CC=x86_64-openwrt-linux-musl-gcc GCC=gcc STRIP=: DEPFLAG= PREFIX=/staging/usr FEATURES=-DWANT_V6",
        "v6",
    ),
    // Alpine's
    (
        "export CC=gcc CHOST=x86_64-alpine-linux-musl CFLAGS='-Os -fstack-clash-protection -Wformat' MAKEFLAGS=-j4 \
         LDFLAGS='-Wl,--as-needed,-O1,--sort-common -Wl,-z,pack-relative-relocs'; \
         sed -i -e '/^#FEATURES.*SYSLOGS/s/^#//' Makefile; make PREFIX=/usr",
        "fullscrape syslogs",
    ),
    // Yocto's
    (
        "export CC='x86_64-poky-linux-gcc --sysroot=/sysroot' LD='x86_64-poky-linux-ld --sysroot=/sysroot' STRIP=strip \
         CFLAGS='-O2 -pipe -g' CPPFLAGS= LDFLAGS='-Wl,-O1'; make -j 8 -e MAKEFLAGS= \
         LIBOWFAT_HEADERS=/sysroot/usr/include/libowfat LIBOWFAT_LIBRARY=/sysroot/usr/lib/libowfat",
        "fullscrape",
    ),
    // of the original's later line
    (
        "make FEATURES='-DWANT_ACCESSLIST_WHITE -DWANT_DYNAMIC_ACCESSLIST -DWANT_NO_AUTO_FREE'",
        "accesslist-white dynamic-accesslist no-auto-free",
    ),
    (
        "sed -i '/DYNAMIC_ACCESSLIST/s/^#*//; /ACCESSLIST_BLACK/s/^#*//' Makefile; make",
        "accesslist-black dynamic-accesslist fullscrape",
    ),
    // our own
    ("sed -i '/ACCESSLIST_ANY/s/^#*//' Makefile; make", "accesslist-any fullscrape"),
    ("make FEATURES='-DWANT_ACCESSLIST_ANY -DWANT_DYNAMIC_ACCESSLIST'", "accesslist-any dynamic-accesslist"),
    // what the original takes and what changes nothing there
    ("make FEATURES='-DWANT_V6 -D_DEBUG_HTTPERROR -O2 -I/usr/include'", "v6"),
    ("make FEATURES='-DWANT_ARC4RANDOM -DWANT_DEV_RANDOM'", "arc4random dev-random"),
];
