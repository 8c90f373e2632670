/* musl has no _dl_find_object, which Debian's libgcc_eh.a asks for the unwind tables: the same by dl_iterate_phdr. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>

struct dl_find_object { /* as in glibc's <dlfcn.h> */
    unsigned long long flags;
    void *map_start, *map_end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search { uintptr_t address; struct dl_find_object *result; };

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    const void *tables = 0;
    uintptr_t start = 0, end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_GNU_EH_FRAME)
            tables = (const void *)at;
        else if (header->p_type == PT_LOAD && search->address - at < header->p_memsz) {
            start = at;
            end = at + header->p_memsz;
        }
    }
    if (!tables || !end)
        return 0;
    search->result->map_start = (void *)start;
    search->result->map_end = (void *)end;
    search->result->eh_frame = (void *)tables;
    return 1;
}

int _dl_find_object(void *address, struct dl_find_object *result) {
    struct search search = { (uintptr_t)address, result };
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
