/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-networks.c - natnetwork, extra data: grammar, rules, lists, what is kept. */
#include <signal.h>
#include <string.h>

#include "cli-networks.h"

/* ---- NAT networks ---- */

/* Every line of the reference chapter. */
static void
test_chapter(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "natnetwork add --netname natnet1 --network \"192.168.15.0/24\" --enable", 0,
	      "", "");
	check(home, "natnetwork remove --netname natnet1", 0, "", "");
	check(home, "dhcpserver remove --network natnet1", 0, "", "");
	check(home,
	      "natnetwork add --netname natnet1 --network \"192.168.15.0/24\" --enable --dhcp on",
	      0, "", "");
	check(home, "natnetwork modify --netname natnet1 --dhcp on", 0, "", "");
	check(home, "natnetwork modify --netname natnet1 --dhcp off", 0, "", "");
	check(home, "list natnetworks", 0, "DHCP Server:  No", "");
	check(home, "natnetwork start --netname natnet1", 0, "", "");
	check(home, "natnetwork stop --netname natnet1", 0, "", "");
	check(home,
	      "natnetwork modify --netname natnet1 --port-forward-4 "
	      "\"ssh:tcp:[]:1022:[192.168.15.5]:22\"",
	      0, "", "");
	check(home, "natnetwork list", 0, "        ssh:tcp:[]:1022:[192.168.15.5]:22\n", "");
	check(home, "natnetwork modify --netname natnet1 --port-forward-4 delete ssh", 0, "", "");
	check(home, "setextradata global \"NAT/win-nat-test-0/SourceIp4\" 192.168.1.185", 0, "",
	      "");
	check(home, "list natnetworks", 0, "Name:         natnet1\n", "");
	check(home, "natnetwork remove --netname natnet1", 0, "", "");
}

static void
test_nat_list(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "natnetwork list", 0, "NAT Networks:\n\n0 networks found\n", "");
	check(home, ADD " --port-forward-4 ssh:tcp:[]:1022:[192.168.15.5]:22 --disable", 0, "", "");
	check(home, "natnetwork add --netname other --network 10.9.0.0/16 --ipv6 on", 0, "", "");
	check(home, "list natnets", 0,
	      "Name:         n\nNetwork:      192.168.15.0/24\nGateway:      192.168.15.1\n"
	      "DHCP Server:  Yes\nIPv6:         No\nIPv6 Prefix:  fd17:625c:f037:a80f::/64\n"
	      "IPv6 Default: No\n\nName:         other\n",
	      "");
	check(home, "natnetwork list", 0,
	      "Enabled:      No\nPort-forwarding (ipv4)\n"
	      "        ssh:tcp:[]:1022:[192.168.15.5]:22\n"
	      "loopback mappings (ipv4)\n        127.0.0.1=2\n",
	      "");
	check(home, "natnetwork list", 0, "\n2 networks found\n", "");
	check(home, "natnetwork list 'o*'", 0, "\n1 network found\n", "");
	check(home, "natnetwork list 'x*'", 0, "NAT Networks:\n\n0 networks found\n", "");
	/* The gateway is .1, a mapping .2, the server next, the rest is given out. */
	check(home, "list dhcpservers", 0,
	      "NetworkName:    n\nDhcpd IP:       192.168.15.3\nLowerIPAddress: 192.168.15.4\n"
	      "UpperIPAddress: 192.168.15.254\nNetworkMask:    255.255.255.0\nEnabled:        "
	      "Yes\n",
	      "");
}

static void
test_nat_grammar(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "natnetwork", 2, "", "natnetwork what?");
	check(home, "natnetwork ad", 2, "", "'ad'");
	check(home, "natnetwork add --network 10.0.0.0/24", 2, "", "--netname");
	check(home, "natnetwork add --netname n", 2, "", "--network");
	check(home, ADD " --enable --disable", 2, "", "exclude each other");
	check(home, ADD " --dhpc on", 2, "", "--dhcp");
	check(home, ADD " --dhcp", 2, "", "needs a value");
	check(home, ADD " --enable=on", 2, "", "takes no value");
	check(home, ADD " --port-forward-4 delete ssh", 2, "", "modify");
	check(home, "natnetwork modify --netname n --port-forward-4 delete", 2, "", "value");
	check(home, "natnetwork start", 2, "", "--netname");
	/* Short and old spellings, and values behind an equals sign. */
	check(home, "natnetwork add -t n -n 10.5.0.0/24 -h off -6 on -e", 0, "", "");
	check(home, "natnetwork modify --netname=n --ipv4-prefix=10.6.0.0/24 --ipv6-enable=off", 0,
	      "", "");
	check(home, "list natnets", 0, "Network:      10.6.0.0/24\n", "");
	check(home, "natnetwork modify -t n -p a:tcp:[]:2000:[10.6.0.9]:1 -l 127.0.0.2=7 -L 9", 0,
	      "", "");
	check(home, "natnetwork list", 0, "        127.0.0.2=7\n", "");
	check(home, "natnetwork list", 0, "        ::1=9\n", "");
	check(home, ADD, 1, "", "already");
	check(home, "natnetwork modify --netname m --dhcp on", 1, "", "no NAT network 'm'");
	check(home, "natnetwork remove --netname m", 1, "", "no NAT network 'm'");
}

static void
test_nat_values(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const bad[][2] = {
		{ "--network 192.168.15.0", "like 192.168.15.0/24" },
		{ "--network 192.168.15.7/24", "192.168.15.0/24" },
		{ "--network 192.168.15.0/31", "1 to 30" },
		{ "--network 0.0.0.0/0", "1 to 30" },
		{ "--network 127.0.0.0/24", "network of hosts" },
		{ "--network 224.0.0.0/24", "network of hosts" },
		{ "--network fd00::/64", "IPv4" },
		{ "--network 192.168.15.0/30", "too small" },
		{ "--dhcp maybe", "on or off" },
		{ "--ipv6-prefix fd00::/48", "64" },
		{ "--ipv6-prefix fd00::1/64", "outside" },
		{ "--ipv6-prefix fe80::/64", "unicast" },
		{ "--ipv6-prefix ff02::/64", "unicast" },
		{ "--ipv6-prefix 10.0.0.0/24", "IPv6" },
		{ "--port-forward-4 ssh:tcp:[]:1022:192.168.15.5:22", "brackets" },
		{ "--port-forward-4 ssh:tcp:[]:1022:[]:22", "guest address" },
		{ "--port-forward-4 ssh:tcp:[]:0:[192.168.15.5]:22", "1 to 65535" },
		{ "--port-forward-4 ssh:tcp:[]:1022:[192.168.15.5]:0", "1 to 65535" },
		{ "--port-forward-4 ssh:tcp:[]:1022:[192.168.15.5]:70000", "1 to 65535" },
		{ "--port-forward-4 ssh:sctp:[]:1022:[192.168.15.5]:22", "tcp nor udp" },
		{ "--port-forward-4 ssh:tcp:[fd00::1]:1022:[192.168.15.5]:22", "host address" },
		{ "--port-forward-4 ssh:tcp:[]:1022:[192.168.16.5]:22", "not on network" },
		{ "--port-forward-6 ssh:tcp:[]:1022:[192.168.15.5]:22", "IPv6" },
		{ "--port-forward-4 nonsense", "a rule is" },
		{ "--loopback-4 127.0.0.1", "ADDRESS=OFFSET" },
		{ "--loopback-4 10.0.0.1=3", "127.0.0.0/8" },
		{ "--loopback-4 127.0.0.2=1", "2 or more" },
		{ "--loopback-4 127.0.0.2=2", "already" },
		{ "--loopback-4 127.0.0.2=255", "1 to 254" },
		{ "--loopback-4 127.0.0.2=1000", "1 to 254" },
		{ "--loopback-6 x", "number" },
		{ "--loopback-6 1", "2 or more" },
		{ "--loopback-4 delete 127.0.0.9", "not mapped" },
		{ "--loopback-6 delete 9", "not mapped" },
		{ "--port-forward-4 delete nobody", "no rule 'nobody'" },
		{ "--ipv6 on --ipv6-prefix ''", NULL },
	};
	guint i;

	check(home, ADD, 0, "", "");
	check(home, "natnetwork modify --netname n --ipv6 on", 0, "", "");
	check(home, "natnetwork modify --netname n --ipv6-prefix ''", 1, "", "off first");
	for (i = 0; bad[i][1]; i++) {
		g_autofree char *line =
			g_strdup_printf("natnetwork modify --netname n %s", bad[i][0]);

		check(home, line, 1, "", bad[i][1]);
	}
	/* Nothing of all that was taken. */
	check(home, "list natnets", 0, "Network:      192.168.15.0/24\n", "");
	check(home,
	      "natnetwork modify --netname n --port-forward-4 a:tcp:[]:1:[192.168.15.9]:1 "
	      "--port-forward-4 b:tcp:[]:1:[192.168.15.9]:2",
	      1, "", "has host port 1 already");
	check(home,
	      "natnetwork modify --netname n --port-forward-4 a:tcp:[]:1:[192.168.15.9]:1 "
	      "--port-forward-6 a:tcp:[]:2:[fd17::9]:2",
	      1, "", "rule 'a' already");
	/* Without a name it gets one. */
	check(home, "natnetwork modify --netname n --port-forward-4 :udp:[]:53:[192.168.15.9]:54",
	      0, "", "");
	check(home, "natnetwork list", 0, "udp_53_54:udp:[]:53:[192.168.15.9]:54", "");
}

/* One call may change several things that only fit together. */
static void
test_nat_order(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, ADD " --ipv6 on --port-forward-4 ssh:tcp:[]:1022:[192.168.15.5]:22", 0, "", "");
	check(home,
	      "natnetwork modify --netname n --port-forward-4 ssh:tcp:[]:1022:[10.7.0.5]:22 "
	      "--port-forward-4 delete ssh --network 10.7.0.0/24",
	      0, "", "");
	check(home, "natnetwork list", 0, "ssh:tcp:[]:1022:[10.7.0.5]:22", "");
	check(home, "natnetwork modify --netname n --ipv6-prefix '' --ipv6 off", 0, "", "");
	check(home, "natnetwork modify --netname n --ipv6 on --ipv6-prefix fd00:1:2:3::/64", 0, "",
	      "");
	check(home, "list natnets", 0, "IPv6:         Yes\nIPv6 Prefix:  fd00:1:2:3::/64\n", "");
}

/* What VirtualBox gets wrong: mappings are deleted, the pool follows the network. */
static void
test_nat_follows(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, ADD, 0, "", "");
	check(home, "natnetwork modify --netname n --loopback-4 127.0.0.2=3", 0, "", "");
	check(home, "list dhcpservers", 0, "Dhcpd IP:       192.168.15.4\n", "");
	check(home, "natnetwork modify --netname n --loopback-4 delete 127.0.0.1=2", 0, "", "");
	check(home, "natnetwork list", 0, "(ipv4)\n        127.0.0.2=3\nloopback mappings (ipv6)",
	      "");
	check(home, "list dhcpservers", 0, "Dhcpd IP:       192.168.15.2\n", "");
	check(home, "natnetwork modify --netname n --loopback-6 delete 2", 0, "", "");
	check(home, "natnetwork modify --netname n --loopback-4 delete 127.0.0.2", 0, "", "");
	check(home, "natnetwork list", 0, "Enabled:      Yes\n\n1 network", "");
	check(home, "natnetwork modify --netname n --network 10.8.0.0/16", 0, "", "");
	check(home, "list dhcpservers", 0,
	      "Dhcpd IP:       10.8.0.2\nLowerIPAddress: 10.8.0.3\nUpperIPAddress: 10.8.255.254\n"
	      "NetworkMask:    255.255.0.0\n",
	      "");
	/* Addresses that somebody chose stay while they fit. */
	check(home, "dhcpserver modify --network n --lower-ip 10.8.1.1", 0, "", "");
	check(home, "natnetwork modify --netname n --ipv6 on", 0, "", "");
	check(home, "list dhcpservers", 0, "LowerIPAddress: 10.8.1.1\n", "");
	check(home, "natnetwork modify --netname n --network 10.9.0.0/24", 0, "", "");
	check(home, "list dhcpservers", 0, "LowerIPAddress: 10.9.0.3\n", "");
	/* The server outlives the network, with its addresses. */
	check(home, "natnetwork remove --netname n", 0, "", "");
	check(home, "list dhcpservers", 0, "Dhcpd IP:       10.9.0.2\n", "");
	check(home, "natnetwork add --netname n --network 10.10.0.0/24", 0, "", "");
	check(home, "list dhcpservers", 0, "Dhcpd IP:       10.10.0.3\n", "");
}

static void
test_nat_runs(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, ADD, 0, "", "");
	check(home, "natnetwork stop --netname n", 1, "", "does not run");
	check(home, "natnetwork start --netname n", 0, "", "");
	check(home, "list intnets -l", 0, "Name:        n\nPorts:       2\n", "");
	check(home, "stats --once", 0, "\nn                nat-router", "");
	check(home, "stats --once --json", 0,
	      "\"networks\":[{\"network\":\"n\",\"counters\":{\"nat-router\":{\"", "");
	check(home, "natnetwork modify --netname n --network 10.0.0.0/24", 1, "", "its network");
	check(home, "natnetwork modify --netname n --ipv6 on", 1, "", "its ipv6 cannot change");
	check(home, "natnetwork modify --netname n --loopback-4 delete 127.0.0.1", 1, "", "runs");
	check(home, "natnetwork remove --netname n", 1, "", "runs, so it cannot be removed");
	/* What a running network can follow, it follows. */
	check(home, "natnetwork modify --netname n --dhcp off", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "natnetwork modify --netname n --dhcp on", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	check(home, "natnetwork modify --netname n --disable", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	check(home, "natnetwork start --netname n", 1, "", "--enable");
	check(home, "natnetwork modify --netname n --enable", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	/* A daemon that was killed, or ended, and another one: it runs on. */
	home_kill_daemon(home, SIGKILL);
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	home_kill_daemon(home, SIGTERM);
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	check(home, "natnetwork stop --netname n", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	home_kill_daemon(home, SIGTERM);
	check(home, "list intnets -l", 0, "", "");
}

static void
test_nat_cards(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name m", 0, NULL, "");
	check(home, "modifyvm m --nic1 natnetwork --nat-network1 n", 0, "", "");
	check(home, "startvm m", 1, NULL, "There is no NAT network 'n'");
	check(home, ADD, 0, "", "");
	check(home, "startvm m", 0, NULL, "");
	check(home, "list intnets -l", 0, "Name:        n\nPorts:       3\n", "");
	check(home, "natnetwork modify --netname n --network 10.0.0.0/24", 1, "", "runs");
	check(home, "controlvm m nic1 null", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	check(home, "controlvm m nic1 natnetwork x", 1, "", "There is no NAT network 'x'");
	check(home, "controlvm m nic1 natnetwork n", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       3\n", "");
	/* Stopped by hand while there are cards: until the next start, or the first card again. */
	check(home, "natnetwork stop --netname n", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "natnetwork start --netname n", 0, "", "");
	check(home, "controlvm m poweroff", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	check(home, "natnetwork stop --netname n", 0, "", "");
	/* Machines come back after the daemon was killed, and so does their network. */
	check(home, "startvm m", 0, NULL, "");
	home_kill_daemon(home, SIGKILL);
	check(home, "list intnets -l", 0, "Ports:       3\n", "");
	check(home, "controlvm m poweroff", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	/* A disabled network is a switch without a way out. */
	check(home, "natnetwork modify --netname n --disable --dhcp off", 0, "", "");
	check(home, "startvm m", 0, NULL, "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "controlvm m poweroff", 0, "", "");
}

static void
test_nat_port_taken(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
	g_autofree char *rule = g_strdup_printf("taken:tcp:[]:%u:[192.168.15.9]:22", (guint)port);
	g_autofree char *add = g_strdup_printf(ADD " --port-forward-4 %s", rule);
	g_autofree char *modify =
		g_strdup_printf("natnetwork modify --netname n --port-forward-4 %s", rule);

	check(home, "createvm --name m", 0, NULL, "");
	check(home, add, 0, "", "");
	check(home, "modifyvm m --nic1 natnetwork --nat-network1 n", 0, "", "");
	check(home, "startvm m", 1, NULL, "'taken'");
	check(home, "list runningvms", 0, "", "");
	check(home, "list intnets", 0, "", "");
	check(home, "natnetwork start --netname n", 1, "", "'taken'");
	/* Added to a running network it is refused, and the old rules stay. */
	check(home, "natnetwork modify --netname n --port-forward-4 delete taken", 0, "", "");
	check(home, "startvm m", 0, NULL, "");
	check(home, modify, 1, "", "'taken'");
	check(home, "natnetwork list", 0, "Enabled:      Yes\nloopback", "");
	g_socket_listener_close(listener);
	check(home, modify, 0, "", "");
	check(home, "natnetwork list", 0, rule, "");
	check(home, "controlvm m poweroff", 0, "", "");
}

/* ---- Extra data ---- */

static void
test_extra(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "setextradata global", 2, "", "setextradata takes");
	check(home, "setextradata global NAT/n/SourceIp4 127.0.0.1", 0, "", "");
	check(home, "setextradata global NAT/n/SourceIp6 ::1", 0, "", "");
	check(home, "getextradata global NAT/n/SourceIp4", 0, "Value: 127.0.0.1\n", "");
	check(home, "getextradata global NAT/m/SourceIp4", 0, "No value set!\n", "");
	check(home, "getextradata global enumerate", 0, "Key: NAT/n/SourceIp6, Value: ::1\n", "");
	check(home, "setextradata global NAT/n/SourceIp4 ::1", 1, "", "IPv4");
	check(home, "setextradata global NAT/n/SourceIp6 1.2.3.4", 1, "", "IPv6");
	check(home, "setextradata global NAT/n/SourceIp5 1.2.3.4", 1, "", "means nothing");
	check(home, "setextradata global GUI/Colour blue", 1, "", "NAT/NETWORK/SourceIp4");
	check(home, "setextradata m NAT/n/SourceIp4 1.2.3.4", 1, "", "global");
	home_kill_daemon(home, SIGTERM);
	check(home, "getextradata global NAT/n/SourceIp4", 0, "Value: 127.0.0.1\n", "");
	/* An address that this host does not have. */
	check(home, ADD, 0, "", "");
	check(home, "setextradata global NAT/n/SourceIp4 192.0.2.1", 0, "", "");
	check(home, "natnetwork start --netname n", 1, "", "192.0.2.1");
	check(home, "setextradata global NAT/n/SourceIp4", 0, "", "");
	check(home, "natnetwork start --netname n", 0, "", "");
	check(home, "natnetwork stop --netname n", 0, "", "");
}

/* ---- The document ---- */

#define NAT_DOCUMENT(members) \
	("{\"version\": 1, \"nat-networks\": [{\"network\": \"10.0.0.0/8\", " members "}]}")

static void
test_broken_document(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const broken[] = {
		"{",
		"{}",
		"{\"version\": 2}",
		"{\"version\": 1, \"nets\": []}",
		"{\"version\": 1, \"nat-networks\": {}}",
		"{\"version\": 1, \"nat-networks\": [{\"name\": \"n\"}]}",
		NAT_DOCUMENT("\"name\": 1"),
		NAT_DOCUMENT("\"name\": \"n\", \"no\": 1"),
		"{\"version\": 1, \"dhcp-servers\": [{\"network\": \"n\", \"enabled\": true}]}",
		"{\"version\": 1, \"dhcp-servers\": [{\"network\": \"n\", \"scopes\": [{}]}]}",
		"{\"version\": 1, \"extra-data\": {\"x\": \"y\"}}",
	};
	guint i;

	check(home, ADD, 0, "", "");
	for (i = 0; i < G_N_ELEMENTS(broken); i++) {
		home_kill_daemon(home, SIGTERM);
		home_write(home, "home/networks.json", broken[i], 0600);
		check(home, "list vms", 0, "", "networks.json");
		check(home, "list natnets", 0, "", "");
		/* It is not written over. */
		check(home, ADD, 1, "", "could not be read");
		check(home, DHCP_ADD, 1, "", "could not be read");
		check(home, "setextradata global NAT/n/SourceIp4 1.2.3.4", 1, "", "mend it");
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*func)(Home *home, gconstpointer data);
	} tests[] = {
		{ "chapter", test_chapter },
		{ "nat/list", test_nat_list },
		{ "nat/grammar", test_nat_grammar },
		{ "nat/values", test_nat_values },
		{ "nat/order", test_nat_order },
		{ "nat/follows", test_nat_follows },
		{ "nat/runs", test_nat_runs },
		{ "nat/cards", test_nat_cards },
		{ "nat/port-taken", test_nat_port_taken },
		{ "extra", test_extra },
		{ "broken-document", test_broken_document },
	};
	guint i;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/cli/networks/", tests[i].name, NULL);

		g_test_add(path, Home, NULL, home_init, tests[i].func, home_finish);
	}
	return g_test_run();
}
