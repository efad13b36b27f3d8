/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * register-loop.c - register-loop RESOURCE READ WRITE COUNT: in a guest, what an access to a card costs.
 *
 * RESOURCE is a memory BAR of a function without a driver (/sys/bus/pci/devices/.../resource0), READ
 * the offset of a double word without side effects, WRITE of one where writing 0 changes nothing.
 * Prints microseconds of a read, and of a write; the writes include what it takes until the last one
 * has arrived.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static volatile void *
map_registers(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_SYNC);
	void *map;

	if (fd < 0 || fstat(fd, &st) != 0)
		return NULL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

int
main(int argc, char **argv)
{
	volatile char *bar = argc == 5 ? map_registers(argv[1]) : NULL;
	volatile uint32_t *from, *to;
	double start, middle, end;
	long count, i;

	if (!bar) {
		perror("register-loop");
		return 1;
	}
	from = (volatile uint32_t *)(bar + strtoul(argv[2], NULL, 0));
	to = (volatile uint32_t *)(bar + strtoul(argv[3], NULL, 0));
	count = strtol(argv[4], NULL, 0);
	start = now_us();
	for (i = 0; i < count; i++)
		(void)*from;
	middle = now_us();
	for (i = 0; i < count; i++)
		*to = 0;
	(void)*from;
	end = now_us();
	printf("%.2f %.2f\n", (middle - start) / (double)count, (end - middle) / (double)count);
	return 0;
}
