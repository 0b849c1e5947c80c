// Preloaded into a program: reads of the file whose name ends with BAD_SECTOR_FILE fail in the block at BAD_SECTOR_AT.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 4096

// Whether the file has the bad sector: the first one that is read under this name. One that takes its place has none.
static int is_bad(int file) {
  static ino_t bad;
  struct stat found;
  char link[64], path[4096];
  const char *name = getenv("BAD_SECTOR_FILE");
  if (!name) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  size_t wanted = strlen(name);
  if ((size_t)length < wanted || strcmp(path + length - wanted, name) != 0 || fstat(file, &found) != 0) return 0;
  if (!bad) bad = found.st_ino;
  return bad == found.st_ino;
}

ssize_t read(int file, void *buffer, size_t count) {
  if (is_bad(file)) {
    off_t at = lseek(file, 0, SEEK_CUR), bad = atol(getenv("BAD_SECTOR_AT")) / BLOCK * BLOCK;
    if (at >= bad && at < bad + BLOCK) {
      errno = EIO;
      return -1;
    }
    if (at < bad && at + (off_t)count > bad) count = bad - at;
  }
  return syscall(SYS_read, file, buffer, count);
}
