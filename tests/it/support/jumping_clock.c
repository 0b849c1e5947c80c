// Preloaded into the service: moves CLOCK_REALTIME by the seconds that the file CLOCK_JUMP holds.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *jump;

__attribute__((constructor)) static void map_jump(void) {
  const char *path = getenv("CLOCK_JUMP");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof *jump, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) jump = mapped;
  close(file);
}

int clock_gettime(clockid_t id, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, id, time);
  if (result == 0 && id == CLOCK_REALTIME && jump) time->tv_sec += *jump;
  return result;
}
