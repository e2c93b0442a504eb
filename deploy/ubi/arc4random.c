/* libstdc++ of Debian 12 takes std::random_device's numbers from arc4random, which glibc has from 2.36 on: UBI 9 has
   2.34. Linked into the program it counts before libc's. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

uint32_t arc4random(void);

uint32_t arc4random(void) {
  uint32_t number = 0;
  while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
    if (errno != EINTR) abort();
  }
  return number;
}
