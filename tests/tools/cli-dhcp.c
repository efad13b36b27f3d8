/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-dhcp.c - dhcpserver: grammar, rules, scopes, what clients get, leases. */
#include <signal.h>

#include "cli-networks.h"

static void
test_dhcp_grammar(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "dhcpserver", 2, "", "dhcpserver what?");
	check(home, "dhcpserver ad", 2, "", "'ad'");
	check(home, "dhcpserver add --server-ip 10.0.0.1", 2, "", "--network or --interface");
	check(home, DHCP_ADD " --interface vboxnet0", 2, "", "--network already");
	check(home, DHCP_ADD " --enable --disable", 2, "", "exclude each other");
	check(home, DHCP_ADD " --del-opt 3", 2, "", "dhcpserver modify");
	check(home, DHCP_ADD " --set-opt 3", 2, "", "2 values");
	check(home, DHCP_ADD " --nic 2", 2, "", "--vm");
	check(home, DHCP_ADD " --value 3", 2, "", "--id");
	check(home, DHCP_ADD " --forceopt 3", 2, "", "--force-opt");
	check(home, "dhcpserver add --network d --server-ip 10.1.0.2", 1, "", "--netmask");
	check(home, "dhcpserver findlease --network d", 2, "", "--mac-address");
	check(home, "dhcpserver start --network d", 1, "", "no DHCP server for network 'd'");
	check(home, DHCP_ADD, 0, "", "");
	check(home, DHCP_ADD, 1, "", "already");
	check(home, "list dhcpservers", 0, "Enabled:        No\n", "");
	check(home, "dhcpserver remove --network d", 0, "", "");
	/* The old spellings; a host-only interface's network. */
	check(home,
	      "dhcpserver add --ifname vboxnet0 --ip 10.1.0.2 --netmask 255.255.255.0 "
	      "--lowerip 10.1.0.10 --upperip 10.1.0.20 --enable --options --id 6 --value 1.2.3.4",
	      0, "", "");
	check(home, "list dhcpservers", 0,
	      "NetworkName:    HostInterfaceNetworking-vboxnet0\nDhcpd IP:       10.1.0.2\n", "");
	check(home, "list dhcpservers", 0, "        6/legacy: 1.2.3.4\n", "");
	check(home, "dhcpserver modify --interface=vboxnet0 --id 6 --remove", 0, "", "");
	check(home, "dhcpserver remove --netname HostInterfaceNetworking-vboxnet0", 0, "", "");
	check(home, "list dhcpservers", 0, "", "");
}

static void
test_dhcp_values(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const bad[][2] = {
		{ "--server-ip 10.1.0", "IPv4 address" },
		{ "--server-ip 10.1.0.255", "not a host" },
		{ "--server-ip 10.1.0.0", "not a host" },
		{ "--netmask 255.0.255.0", "netmask 255.0.255.0" },
		{ "--netmask 255.255.255.254", "netmask" },
		{ "--lower-ip 10.1.1.1", "lower-ip 10.1.1.1 is not a host" },
		{ "--lower-ip 10.1.0.30", "above" },
		{ "--set-opt 0 x", "option 0" },
		{ "--set-opt 255 x", "option 255" },
		{ "--set-opt 256 x", "0 to 255" },
		{ "--set-opt x x", "number" },
		{ "--set-opt 53 1", "protocol" },
		{ "--set-opt 51 600", "--default-lease-time" },
		{ "--set-opt 6 ns.example", "option 6" },
		{ "--set-opt 6 ''", "option 6" },
		{ "--set-opt 3 '10.0.0.1 x'", "IPv4 addresses" },
		{ "--set-opt 1 '1.2.3.4 5.6.7.8'", "an IPv4 address" },
		{ "--set-opt 19 2", "on or off" },
		{ "--set-opt 23 256", "0 to 255" },
		{ "--set-opt 26 65536", "65535" },
		{ "--set-opt 33 10.0.0.1", "even number" },
		{ "--set-opt 43 x", "--set-opt-hex" },
		{ "--set-opt 200 x", "--set-opt-hex" },
		{ "--set-opt-hex 43 0g", "hexadecimal" },
		{ "--set-opt-hex 43 123", "hexadecimal" },
		{ "--suppress-opt 1", "always sent" },
		{ "--del-opt 6", "no DHCP option '6'" },
		{ "--unforce-opt 6", "no forced DHCP option '6'" },
		{ "--unsuppress-opt 6", "no suppressed DHCP option '6'" },
		{ "--min-lease-time -1", "0 to 4294967295" },
		{ "--min-lease-time 100 --max-lease-time 50", "not in order" },
		{ "--fixed-address 10.1.0.7", "--vm" },
		{ "--incl-mac 080027000001", "--group" },
		{ "--group g --incl-mac x", "MAC address" },
		{ "--group g --fixed-address 10.1.0.7", "--vm" },
		{ "--group g --del-incl-user x", "no incl-user 'x'" },
		{ "--vm nobody", "no machine 'nobody'" },
		{ "--vm m --nic 9", "cards 1 to 8" },
		{ "--vm m --nic x", "numbers from 1" },
		{ "--mac-address 08002700000", "MAC address" },
		{ "--mac-address 080027000001 --fixed-address 10.2.0.1", "not a host" },
		{ "--mac-address 080027000001 --fixed-address 10.1.0.2", "server's own" },
		{ "--mac-address 080027000001 --fixed-address 10.1.0.9 --vm m --fixed-address "
		  "10.1.0.9",
		  "belongs to mac/080027000001 already" },
		{ "--group g --remove-config", "no group/g" },
	};
	guint i;

	check(home, "createvm --name m", 0, NULL, "");
	check(home, DHCP_ADD, 0, "", "");
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *line =
			g_strdup_printf("dhcpserver modify --network d %s", bad[i][0]);

		check(home, line, 1, "", bad[i][1]);
	}
	check(home, "dhcpserver modify --network d --remove-config", 2, "", "global scope stays");
	check(home, "list dhcpservers", 0,
	      "Groups:               None\nIndividual Configs:   None\n", "");
}

/* Options are for the scope that was named last. */
static void
test_dhcp_scopes(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name m", 0, NULL, "");
	check(home,
	      DHCP_ADD " --set-opt=6 '8.8.8.8 1.1.1.1' --force-opt 6 --min-lease-time 100 "
		       "--group=pxe --incl-vendor-wild 'PXE*' --excl-mac 08:00:27:00:00:01 "
		       "--set-opt-hex=43 0a:0b --suppress-opt 6 "
		       "--vm m --nic 2 --fixed-address 10.1.0.99 --default-lease-time 900 "
		       "--mac-address 08:00:27:AA:BB:CC --set-opt 15 example.org "
		       "--global --set-opt 3 10.1.0.1",
	      0, "", "");
	check(home, "list dhcpservers", 0,
	      "Global Configuration:\n    minLeaseTime:     100 sec\n"
	      "    defaultLeaseTime: default\n    maxLeaseTime:     default\n"
	      "    Forced options:   6\n    Suppressed opts.: None\n"
	      "        1/legacy: 255.255.255.0\n        3/legacy: 10.1.0.1\n"
	      "        6/legacy: 8.8.8.8 1.1.1.1\n"
	      "Groups:\n    Group:            pxe\n",
	      "");
	check(home, "list dhcpservers", 0,
	      "    Suppressed opts.: 6\n       43/hex:    0a:0b\n    Conditions:       \n"
	      "        incl-vendor-wild  PXE*\n        excl-mac          08:00:27:00:00:01\n"
	      "Individual Configs:\n    VM NIC:           m 2 (",
	      "");
	check(home, "list dhcpservers", 0,
	      "    defaultLeaseTime: 900 sec\n    maxLeaseTime:     default\n"
	      "    Forced options:   None\n    Suppressed opts.: None\n"
	      "    Fixed Address:    10.1.0.99\n    MAC:              08:00:27:aa:bb:cc\n",
	      "");
	/* And it is all there after a restart. */
	home_kill_daemon(home, SIGTERM);
	check(home, "list dhcpservers", 0, "       15/legacy: example.org\n", "");
	check(home,
	      "dhcpserver modify --network d --group pxe --del-incl-vendor-wild 'PXE*' --del-opt "
	      "43 "
	      "--unsuppress-opt 6 --vm m --nic 2 --fixed-address ''",
	      0, "", "");
	check(home, "list dhcpservers", 0, "    Fixed Address:    dynamic\n", "");
	check(home, "list dhcpservers", 0,
	      "    Conditions:       \n        excl-mac          08:00:27:00:00:01\n", "");
	check(home,
	      "dhcpserver modify --network d --group pxe --zap-conditions --remove-config "
	      "--mac-address 080027aabbcc --remove-config --zap-options --vm m --nic 2 "
	      "--remove-config",
	      0, "", "");
	check(home, "list dhcpservers", 0,
	      "    Forced options:   None\n    Suppressed opts.: None\n"
	      "        1/legacy: 255.255.255.0\nGroups:               None\n"
	      "Individual Configs:   None\n",
	      "");
}

static void
test_dhcp_runs(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name m", 0, NULL, "");
	check(home, "modifyvm m --nic1 intnet --intnet1 d --mac-address1 080027AABBCC", 0, "", "");
	check(home, DHCP_ADD " --vm m --fixed-address 10.1.0.77", 0, "", "");
	/* Disabled: it does not come with the first card, and cannot be started. */
	check(home, "startvm m", 0, NULL, "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "dhcpserver start --network d", 1, "", "--enable");
	check(home, "dhcpserver modify --network d --enable", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	check_file_becomes(home, "run/dhcp/d.conf", "mac=080027AABBCC");
	check(home, "dhcpserver restart --network d", 0, "", "");
	check(home, "dhcpserver stop --network d", 0, "", "");
	check(home, "dhcpserver stop --network d", 1, "", "does not run");
	check(home, "dhcpserver restart --network d", 1, "", "does not run");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "controlvm m poweroff", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	/* The first card of the next time starts it again. */
	check(home, "startvm m", 0, NULL, "");
	check(home, "list intnets -l", 0, "Ports:       2\n", "");
	check(home, "controlvm m poweroff", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	/* By hand, without a card; over the end of a daemon. */
	check(home, "dhcpserver start --network d", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	home_kill_daemon(home, SIGKILL);
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	/* A card's new address is the service's new address of it. */
	check(home, "modifyvm m --mac-address1 080027DDEEFF", 0, "", "");
	check_file_becomes(home, "run/dhcp/d.conf", "mac=080027DDEEFF");
	check(home, "dhcpserver modify --network d --set-opt 6 9.9.9.9", 0, "", "");
	check_file_becomes(home, "run/dhcp/d.conf", "option-6=09090909");
	check(home, "dhcpserver modify --network d --server-ip 10.1.0.3", 0, "", "");
	check(home, "list intnets -l", 0, "Ports:       1\n", "");
	check(home, "dhcpserver remove --network d", 0, "", "");
	check(home, "list intnets -l", 0, "", "");
	check(home, "dhcpserver findlease --network d --mac-address 080027000001", 1, "", "lease");
}

/* Every form of RFC 2132 as the bytes that clients get. */
static void
test_dhcp_encoding(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const rows[][2] = {
		{ "--set-opt 1 255.255.0.0", "option-1=ffff0000\n" },
		{ "--set-opt 2 -3600", "option-2=fffff1f0\n" },
		{ "--set-opt 3 '10.1.0.1 10.1.0.2'", "option-3=0a0100010a010002\n" },
		{ "--set-opt 6 10.1.0.1,10.1.0.2", "option-6=0a0100010a010002\n" },
		{ "--set-opt 12 host", "option-12=686f7374\n" },
		{ "--set-opt 13 258", "option-13=0102\n" },
		{ "--set-opt 19 on", "option-19=01\n" },
		{ "--set-opt 20 0", "option-20=00\n" },
		{ "--set-opt 21 '10.0.0.0 255.0.0.0'", "option-21=0a000000ff000000\n" },
		{ "--set-opt 23 64", "option-23=40\n" },
		{ "--set-opt 24 4294967295", "option-24=ffffffff\n" },
		{ "--set-opt 25 '68 296 0x5dc'", "option-25=0044012805dc\n" },
		{ "--set-opt 26 1500", "option-26=05dc\n" },
		{ "--set-opt 33 '10.2.0.0 10.1.0.1'", "option-33=0a0200000a010001\n" },
		{ "--set-opt 46 8", "option-46=08\n" },
		{ "--set-opt 66 tftp.example", "option-66=746674702e6578616d706c65\n" },
		{ "--set-opt-hex 43 0102ff", "option-43=0102ff\n" },
		{ "--set-opt-hex 121 18:0a:1:2", "option-121=180a0102\n" },
		{ "--set-opt-hex 119 ''", "option-119=\n" },
		{ "--force-opt 6 --force-opt 3 --suppress-opt 15", "force=3;6;\nsuppress=15;\n" },
		{ "--unforce-opt 6 --unforce-opt 3", "suppress=15;\n" },
		{ "--group g --incl-user 'a;b' --incl-user c", "incl-user=a\\;b;c;\n" },
		{ "--max-lease-time 4294967295", "max-lease-time=4294967295\n" },
	};
	guint i;

	check(home, DHCP_ADD " --enable", 0, "", "");
	check(home, "dhcpserver start --network d", 0, "", "");
	for (i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *line =
			g_strdup_printf("dhcpserver modify --network d %s", rows[i][0]);

		check(home, line, 0, "", "");
		check_file_becomes(home, "run/dhcp/d.conf", rows[i][1]);
	}
	check(home, "dhcpserver stop --network d", 0, "", "");
}

static void
test_lease(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *dir = home_path(home, "home/dhcp");

	check(home, DHCP_ADD, 0, "", "");
	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	home_write(home, "home/dhcp/d.leases",
		   "[10.1.0.11]\nstate=acked\nmac=080027000001\nissued=1000\nend=1600\n"
		   "[10.1.0.12]\nstate=acked\nmac=080027000002\nissued=1000\nend=0\n"
		   "[10.1.0.13]\nstate=released\nmac=080027000002\nissued=900\nend=950\n",
		   0600);
	check(home, "dhcpserver findlease --network d --mac-address 08:00:27:00:00:01", 0,
	      "IP Address:  10.1.0.11\nMAC Address: 08:00:27:00:00:01\nState:       expired\n"
	      "Issued:      1970-01-01T00:16:40Z (1000)\n"
	      "Expire:      1970-01-01T00:26:40Z (1600)\nTTL:         600 sec, currently 0 sec "
	      "left\n",
	      "");
	check(home, "dhcpserver findlease --network d --mac-address 080027000002", 0,
	      "State:       acked\nIssued:      1970-01-01T00:16:40Z (1000)\nExpire:      never",
	      "");
	check(home, "dhcpserver findlease --network d --mac-address 080027000003", 1, "",
	      "has no lease on network 'd'");
	check(home, "dhcpserver findlease --network d --mac-address x", 1, "", "MAC address");
}

#define TEST(path, func) g_test_add("/cli/networks/" path, Home, NULL, home_init, func, home_finish)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("dhcp/grammar", test_dhcp_grammar);
	TEST("dhcp/values", test_dhcp_values);
	TEST("dhcp/scopes", test_dhcp_scopes);
	TEST("dhcp/runs", test_dhcp_runs);
	TEST("dhcp/encoding", test_dhcp_encoding);
	TEST("dhcp/lease", test_lease);
	return g_test_run();
}
