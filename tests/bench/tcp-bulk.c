/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcp-bulk.c - tcp-bulk ADDRESS PORT BYTES: in a guest, sends that many bytes, or takes what comes until
 * the end if BYTES is 0; in large pieces, so that the card is measured and not the program.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (256u * 1024u)

static char data[PIECE];

static int
send_all(int fd, unsigned long long left)
{
	while (left > 0) {
		ssize_t n = write(fd, data, left < PIECE ? left : PIECE);

		if (n <= 0)
			return 1;
		left -= (unsigned long long)n;
	}
	/* The other end closes when it has all. */
	shutdown(fd, SHUT_WR);
	return read(fd, data, 1) != 0;
}

static int
take_all(int fd)
{
	ssize_t n;

	while ((n = read(fd, data, PIECE)) > 0)
		;
	return n != 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned long long bytes;

	if (argc != 4 || fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	bytes = strtoull(argv[3], NULL, 10);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return 1;
	return bytes ? send_all(fd, bytes) : take_all(fd);
}
