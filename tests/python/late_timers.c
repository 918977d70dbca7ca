/* Preloaded: whoever starts a timer of libuv is put aside by the system until it is due. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

int late_timers;

int uv_timer_start(void *timer, void *callback, uint64_t timeout, uint64_t repeat);

int uv_timer_start(void *timer, void *callback, uint64_t timeout, uint64_t repeat) {
    /* Loaded by the extension, and for it alone. */
    void *library = dlopen("libuv.so.1", RTLD_LAZY | RTLD_NOLOAD);
    int (*start)(void *, void *, uint64_t, uint64_t) =
        library ? dlsym(library, "uv_timer_start") : 0;
    if (!start) {
        abort();
    }
    int result = start(timer, callback, timeout, repeat);
    dlclose(library);
    if (timeout < 100) {
        late_timers++;
        usleep((useconds_t)(timeout + 2) * 1000);
    }
    return result;
}
