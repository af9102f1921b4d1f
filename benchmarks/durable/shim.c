/* Counts what a process asks the disk to keep: fsync, fdatasync and their kin.
 *
 * Loaded with LD_PRELOAD. The counter is the first eight bytes of the file that DURABLE_COUNTER
 * names, shared with whoever reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t nowhere;
static uint64_t *counter = &nowhere;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("DURABLE_COUNTER");
    int file = name ? open(name, O_RDWR) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared != MAP_FAILED) counter = shared;
    close(file);
}

#define COUNTED(name)                                            \
    int name(int file) {                                         \
        static int (*real)(int);                                 \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);        \
        return real(file);                                       \
    }

COUNTED(fsync)
COUNTED(fdatasync)
COUNTED(syncfs)
