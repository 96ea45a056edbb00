/* A disk that stands still: fsync and fdatasync return only when the time that stands in the file
 * $LINEGATE_STALL (8 bytes, nanoseconds of CLOCK_MONOTONIC) has come. Preloaded into the jobs; the
 * rig (stall.py) writes the time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *until_ns;
static int (*real_fsync)(int), (*real_fdatasync)(int);

__attribute__((constructor)) static void find(void) {
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *path = getenv("LINEGATE_STALL");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) abort(); /* a rig that stalls nothing must not look like one that does */
    void *page = mmap(NULL, sizeof *until_ns, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED) abort();
    until_ns = page;
}

static void wait_for_the_disk(void) {
    struct timespec until = {*until_ns / 1000000000, *until_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

int fsync(int fd) {
    wait_for_the_disk();
    return real_fsync(fd);
}

int fdatasync(int fd) {
    wait_for_the_disk();
    return real_fdatasync(fd);
}
