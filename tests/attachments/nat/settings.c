/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings.c - what properties do to a connection, where nothing outside shows it. */
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"

/* The window that the guest is offered for its first data. */
static guint32
offered(const char *property)
{
	const char *const properties[] = { property, NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	Raw raw = { 0 };
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);

	nat_guest_meet(g);
	raw_init(&raw, g, port);
	raw_open(&raw);
	raw_send(&raw, RAW_ACK | RAW_PSH, 100);
	nat_guest_wait(g, raw.last_ack == RAW_ISN + 101);
	close(listener);
	return raw.last_window;
}

static void
test_receive_window(void)
{
	guint32 window = offered("receive-window=20000");

	g_assert_cmpuint(window, >, 15000);
	g_assert_cmpuint(window, <=, 20000);
	g_assert_cmpuint(offered("receive-window=0"), >, 30000);
}

/* The kernel's own accounting of a small send buffer. */
static void
test_send_buffer(void)
{
	guint32 window = offered("send-buffer=16K");

	g_assert_cmpuint(window, >, 1000);
	g_assert_cmpuint(window, <=, 32768);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/settings/receive-window", test_receive_window);
	g_test_add_func("/nat/settings/send-buffer", test_send_buffer);
	return g_test_run();
}
