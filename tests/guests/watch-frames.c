/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch-frames.c - watch-frames INTERFACE ENDS: in a guest, says which test frames reach its stack.
 *
 * A test frame has EtherType 0x88B5 (IEEE 802, local experiments) and a word of text; that many of
 * "end", one of each sender, end the program. A line for each: destination, VLAN id or -, word. Nothing
 * is asked of the interface: what its own filters let through is what counts.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TEST_TYPE 0x88b5
#define DEADLINE_MS 30000

static int
open_socket(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0)
		return -1;
	return fd;
}

/* The tag that the kernel or the adapter took out; -1: none. */
static int
find_vlan(struct msghdr *message)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		struct tpacket_auxdata aux;

		if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(control), sizeof aux);
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return aux.tp_vlan_tci & 0xfff;
	}
	return -1;
}

/* Returns 0 at an end. */
static int
show_frame(const unsigned char *frame, size_t len, int vlan)
{
	char word[32] = "";

	if (len < 20 || frame[12] != TEST_TYPE >> 8 || frame[13] != (TEST_TYPE & 0xff))
		return 1;
	memcpy(word, frame + 14, len - 14 < sizeof word ? len - 14 : sizeof word - 1);
	word[strcspn(word, " ")] = '\0';
	if (strcmp(word, "end") == 0)
		return 0;
	printf("%02x:%02x:%02x:%02x:%02x:%02x ", frame[0], frame[1], frame[2], frame[3], frame[4],
	       frame[5]);
	if (vlan < 0)
		printf("- %s\n", word);
	else
		printf("%d %s\n", vlan, word);
	return 1;
}

int
main(int argc, char **argv)
{
	unsigned char frame[65536], control[256];
	struct iovec iov = { frame, sizeof frame };
	int fd = argc == 3 ? open_socket(argv[1]) : -1;
	int ends = fd >= 0 ? atoi(argv[2]) : 0;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (ends < 1)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("watching\n");
	while (poll(&wait, 1, DEADLINE_MS) == 1) {
		struct msghdr message = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof control };
		ssize_t len = recvmsg(fd, &message, 0);

		if (len >= 0 && !show_frame(frame, (size_t)len, find_vlan(&message)) && --ends == 0)
			return 0;
	}
	return 1;
}
