# For nixpkgs' own module, which starts it as root in /var/empty without options:
#   services.opentracker = { enable = true; package = pkgs.callPackage ./package.nix { }; };
{
  lib,
  rustPlatform,
  switches ? [ "fullscrape" "dual-stack" "accesslist-any" ],
}:

rustPlatform.buildRustPackage {
  pname = "opentracker";
  version = "0.1.0";
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  buildNoDefaultFeatures = true;
  buildFeatures = switches;
  # they want root and other trackers
  doCheck = false;
  postInstall = ''
    install -Dm644 -t $out/share/man/man8 packaging/opentracker.8
    install -Dm644 -t $out/share/man/man5 packaging/opentracker.conf.5
    install -Dm644 -t $out/share/doc/opentracker opentracker.conf.sample README.md features.md CHANGELOG.md NOTICES
  '';
  meta = {
    description = "BitTorrent tracker, a drop-in replacement of the C program";
    license = lib.licenses.mit;
    mainProgram = "opentracker";
    platforms = lib.platforms.linux;
  };
}
