/* Preloaded by test_core_nomem_c.py: makes allocations of the extension fail, those that
 * freastal/_core*.so itself asks the C library for, and no others; and counts those that it holds.
 * glibc only. */
#define _GNU_SOURCE
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void failing_arm(long first, long last);
long failing_calls(void);
long failing_held(void);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

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

/* --- what the core holds --- */

enum { SLOTS = 1 << 16 };

static void *slots[SLOTS]; /* open addressing; `gone` where something was */
static char gone;
static long held;
static atomic_flag lock = ATOMIC_FLAG_INIT;

/* The slot of `memory`, or the empty one behind which it is not. */
static void **slot_of(const void *memory) {
    size_t at = ((uintptr_t)memory >> 4) % SLOTS;
    while (slots[at] && slots[at] != memory) {
        at = (at + 1) % SLOTS;
    }
    return &slots[at];
}

static void *hold(void *memory) {
    while (atomic_flag_test_and_set(&lock)) {
    }
    void **slot = slot_of(memory);
    if (memory && !*slot) {
        *slot = memory;
        held++;
    }
    atomic_flag_clear(&lock);
    return memory;
}

static void let_go(const void *memory) {
    while (atomic_flag_test_and_set(&lock)) {
    }
    void **slot = slot_of(memory);
    if (memory && *slot) {
        *slot = &gone;
        held--;
    }
    atomic_flag_clear(&lock);
}

/* Allocations that the core has made and nobody has freed. */
long failing_held(void) {
    return held;
}

/* --- the C library's functions --- */

static int is_core(const void *caller) {
    return (uintptr_t)caller >= code_begin && (uintptr_t)caller < code_end;
}

static int fails(const void *caller) {
    if (!is_core(caller)) {
        return 0;
    }
    long number = ++calls;
    return fail_first > 0 && number >= fail_first && number <= fail_last;
}

void *malloc(size_t size) {
    const void *caller = __builtin_return_address(0);
    void *memory = fails(caller) ? NULL : __libc_malloc(size);
    return is_core(caller) ? hold(memory) : memory;
}

void *calloc(size_t count, size_t size) {
    const void *caller = __builtin_return_address(0);
    void *memory = fails(caller) ? NULL : __libc_calloc(count, size);
    return is_core(caller) ? hold(memory) : memory;
}

void *realloc(void *memory, size_t size) {
    const void *caller = __builtin_return_address(0);
    if (fails(caller)) {
        return NULL;
    }
    let_go(memory);
    memory = __libc_realloc(memory, size);
    return is_core(caller) ? hold(memory) : memory;
}

void free(void *memory) {
    let_go(memory);
    __libc_free(memory);
}
