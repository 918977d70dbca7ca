/* Preloaded by test_core_nomem_c.py: makes allocations of the extension fail, those that
 * freastal/_core*.so itself asks the C library for, and no others. glibc only. */
#define _GNU_SOURCE
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void failing_arm(long first, long last);
long failing_calls(void);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static atomic_uintptr_t code_begin;
static atomic_uintptr_t code_end;
static atomic_long calls;
static atomic_long fail_first; /* 0: none fails */
static atomic_long fail_last;

static int find_code(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    if (!strstr(info->dlpi_name, "/freastal/_core.")) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            code_begin = info->dlpi_addr + segment->p_vaddr;
            code_end = code_begin + segment->p_memsz;
        }
    }
    return 1;
}

/* From now on calls are counted from 1, and those from `first` to `last` fail. */
void failing_arm(long first, long last) {
    fail_first = 0;
    dl_iterate_phdr(find_code, NULL);
    calls = 0;
    fail_last = last;
    fail_first = first;
}

long failing_calls(void) {
    return code_begin ? calls : -1;
}

static int fails(const void *caller) {
    if ((uintptr_t)caller < code_begin || (uintptr_t)caller >= code_end) {
        return 0;
    }
    long number = ++calls;
    return fail_first > 0 && number >= fail_first && number <= fail_last;
}

void *malloc(size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}
