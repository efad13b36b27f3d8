/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp-flood.c - udp-flood ADDRESS PORT BYTES SECONDS: small datagrams as fast as they go; prints how many. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define BYTES_MAX 1472

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static char data[BYTES_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec iov = { .iov_base = data };
	unsigned long sent = 0;
	double end;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 5 || fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	iov.iov_len = (size_t)atoi(argv[3]);
	if (iov.iov_len > BYTES_MAX || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return 2;
	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	end = now() + atof(argv[4]);
	while (now() < end) {
		int n = sendmmsg(fd, messages, BATCH, 0);

		if (n > 0)
			sent += (unsigned long)n;
	}
	printf("%lu\n", sent);
	return 0;
}
