/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-grammar.c - every option of modifyvm and every word of controlvm, right and wrong. */
#include <string.h>

#include "changes.h"
#include "cli.h"
#include "options.h"

typedef GPtrArray *(*ParseFunc)(char **args, GError **error);

/* "1:nic=nat 2:intnet=lan" */
static char *
format_changes(const GPtrArray *changes)
{
	GString *text = g_string_new(NULL);
	guint i;

	for (i = 0; i < changes->len; i++) {
		const Change *change = changes->pdata[i];

		g_string_append_printf(text, "%s%u:%s=%s", i ? " " : "", change->card, change->key,
				       change->value);
	}
	return g_string_free(text, FALSE);
}

static void
check_parse(ParseFunc parse, const char *line, const char *expected)
{
	g_auto(GStrv) args = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) changes = NULL;
	g_autofree char *text = NULL;

	g_assert_true(g_shell_parse_argv(line, NULL, &args, NULL));
	changes = parse(args, &error);
	g_assert_no_error(error);
	text = format_changes(changes);
	g_assert_cmpstr(text, ==, expected);
}

static void
check_refusal(ParseFunc parse, const char *line, const char *expected)
{
	g_auto(GStrv) args = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) changes = NULL;

	g_assert_true(g_shell_parse_argv(line, NULL, &args, NULL));
	changes = parse(args, &error);
	g_assert_null(changes);
	g_assert_error(error, CLI_ERROR, CLI_ERROR_USAGE);
	if (!strstr(error->message, expected))
		g_error("'%s' gives '%s', which lacks '%s'", line, error->message, expected);
}

/* ---- modifyvm ---- */

/* The facts that users rely on: both spellings, as the reference has them. */
static const struct {
	const char *new, *old;
} spellings[] = {
	{ "nic", "nic" },
	{ "nic-type", "nictype" },
	{ "cable-connected", "cableconnected" },
	{ "nic-trace", "nictrace" },
	{ "nic-trace-file", "nictracefile" },
	{ "nic-property", "nicproperty" },
	{ "nic-speed", "nicspeed" },
	{ "nic-boot-prio", "nicbootprio" },
	{ "nic-promisc", "nicpromisc" },
	{ "nic-bandwidth-group", "nicbandwidthgroup" },
	{ "bridge-adapter", "bridgeadapter" },
	{ "host-only-adapter", "hostonlyadapter" },
	{ "host-only-net", "hostonlynet" },
	{ "intnet", "intnet" },
	{ "nat-network", "natnetwork" },
	{ "nic-generic-drv", "nicgenericdrv" },
	{ "cloud-network", "cloudnetwork" },
	{ "mac-address", "macaddress" },
	{ "nat-net", "natnet" },
	{ "nat-bind-ip", "natbindip" },
	{ "nat-settings", "natsettings" },
	{ "nat-pf", "natpf" },
	{ "nat-tftp-prefix", "nattftpprefix" },
	{ "nat-tftp-file", "nattftpfile" },
	{ "nat-tftp-server", "nattftpserver" },
	{ "nat-dns-pass-domain", "natdnspassdomain" },
	{ "nat-dns-proxy", "natdnsproxy" },
	{ "nat-dns-host-resolver", "natdnshostresolver" },
	{ "nat-alias-mode", "nataliasmode" },
	{ "nat-localhostreachable", "natlocalhostreachable" },
	{ "nat-forward-broadcast", "nat-forward-broadcast" },
};

/* A value with "=" and "/" in it passes as it is through every kind of option. */
static void
test_spellings(void)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(spellings); i++) {
		g_autofree char *one = g_strdup_printf("--%s1 /a=b", spellings[i].new);
		g_autofree char *two = g_strdup_printf("--%s36=/a=b", spellings[i].old);
		g_autofree char *three = g_strdup_printf("--%s8:/a=b", spellings[i].new);
		g_autofree char *got_one = g_strdup_printf("1:%s=/a=b", spellings[i].new);
		g_autofree char *got_two = g_strdup_printf("36:%s=/a=b", spellings[i].new);
		g_autofree char *got_three = g_strdup_printf("8:%s=/a=b", spellings[i].new);

		check_parse(changes_parse_options, one, got_one);
		check_parse(changes_parse_options, two, got_two);
		check_parse(changes_parse_options, three, got_three);
	}
}

/* Each option without a value, without a number, with wrong numbers. */
static void
test_every_option_refuses(void)
{
	const Option *option;

	for (option = options; option->key; option++) {
		g_autofree char *bare = g_strdup_printf("--%s", option->key);
		g_autofree char *first = g_strdup_printf("--%s1", option->key);
		g_autofree char *zero = g_strdup_printf("--%s0 x", option->key);
		g_autofree char *high = g_strdup_printf("--%s37 x", option->key);
		g_autofree char *huge = g_strdup_printf("--%s99999999999999999999 x", option->key);

		check_refusal(changes_parse_options, bare,
			      option->machine ? "needs a value" : "needs the number of the card");
		check_refusal(changes_parse_options, first,
			      option->machine ? "Unknown option" : "needs a value");
		check_refusal(changes_parse_options, zero,
			      option->machine ? "Unknown option" : "1 to 36");
		check_refusal(changes_parse_options, high,
			      option->machine ? "Unknown option" : "1 to 36");
		check_refusal(changes_parse_options, huge,
			      option->machine ? "Unknown option" : "1 to 36");
	}
}

static void
test_options(void)
{
	g_autofree char *cwd = g_get_current_dir();
	g_autofree char *file = g_strdup_printf("1:nic-trace-file=%s/a.pcapng", cwd);

	/* The manual's misprint, and what it means. */
	check_parse(changes_parse_options, "--nic-generic-driv3 UDPTunnel",
		    "3:nic-generic-drv=UDPTunnel");
	check_parse(changes_parse_options, "--natpf1 delete guestssh", "1:nat-pf=delete guestssh");
	check_parse(changes_parse_options, "--natpf1=DELETE guestssh --nic1 nat",
		    "1:nat-pf=delete guestssh 1:nic=nat");
	check_parse(changes_parse_options, "--nat-pf1 'guestssh,tcp,,2222,,22'",
		    "1:nat-pf=guestssh,tcp,,2222,,22");
	/* Left to right, and repeated as given. */
	check_parse(changes_parse_options,
		    "--nic2 generic --nic-property2 sport=1 --nic-property2 dport=2 --nic1 none",
		    "2:nic=generic 2:nic-property=sport=1 2:nic-property=dport=2 1:nic=none");
	check_parse(changes_parse_options, "--nicproperty1 a=", "1:nic-property=a=");
	check_parse(changes_parse_options, "--nic-trace-file1 a.pcapng", file);
	check_parse(changes_parse_options, "--nic-trace-file1 ''", "1:nic-trace-file=");
	check_parse(changes_parse_options, "--intnet1 --odd", "1:intnet=--odd");
	check_parse(changes_parse_options, "--name b --os-type Debian_64 --chipset ich9",
		    "0:name=b 0:ostype=Debian_64 0:chipset=ich9");
	check_parse(changes_parse_options, "--connector1 dgram --connector-property1 path=/x",
		    "1:connector=dgram 1:connector-property=path=/x");
	check_parse(changes_parse_options, "--nictype1 virtio --model-property1 queues=4",
		    "1:nic-type=virtio 1:model-property=queues=4");
}

static void
test_option_errors(void)
{
	check_refusal(changes_parse_options, "--nictyp1 virtio", "'--nictype1'");
	check_refusal(changes_parse_options, "--mac-adress4 auto", "'--mac-address4'");
	check_refusal(changes_parse_options, "--completely-else1 x", "'--completely-else1'");
	check_refusal(changes_parse_options, "--nic1 nat --nic", "needs the number");
	check_refusal(changes_parse_options, "--nic01 nat", "1 to 36");
	check_refusal(changes_parse_options, "nic1 nat", "not 'nic1'");
	check_refusal(changes_parse_options, "-nic1 nat", "not '-nic1'");
	check_refusal(changes_parse_options, "--nic-property1 sport", "NAME=VALUE, not 'sport'");
	check_refusal(changes_parse_options, "--nic-property1 =1", "NAME=VALUE, not '=1'");
	check_refusal(changes_parse_options, "--natpf1 delete", "name of a rule");
	check_refusal(changes_parse_options, "--nic1 nat stray", "not 'stray'");
	check_refusal(changes_parse_options, "--NIC1 nat", "Unknown option '--NIC1'");
}

/* ---- controlvm ---- */

static void
test_control(void)
{
	check_parse(changes_parse_control, "setlinkstate1 off", "1:cable-connected=off");
	check_parse(changes_parse_control, "nictrace2 on", "2:nic-trace=on");
	check_parse(changes_parse_control, "nictracefile2 /t", "2:nic-trace-file=/t");
	check_parse(changes_parse_control, "nicproperty8 dest=10.0.0.2",
		    "8:nic-property=dest=10.0.0.2");
	check_parse(changes_parse_control, "nicpromisc1 allow-all", "1:nic-promisc=allow-all");
	check_parse(changes_parse_control, "natpf1 ,tcp,,2222,,22", "1:nat-pf=,tcp,,2222,,22");
	check_parse(changes_parse_control, "natpf1 delete ssh", "1:nat-pf=delete ssh");
	check_parse(changes_parse_control, "nic1 null", "1:nic=null");
	check_parse(changes_parse_control, "nic1 nat", "1:nic=nat");
	check_parse(changes_parse_control, "nic1 nat 10.9.0.0/24",
		    "1:nat-net=10.9.0.0/24 1:nic=nat");
	check_parse(changes_parse_control, "nic1 bridged eth0",
		    "1:bridge-adapter=eth0 1:nic=bridged");
	check_parse(changes_parse_control, "nic1 hostif eth0",
		    "1:bridge-adapter=eth0 1:nic=bridged");
	check_parse(changes_parse_control, "nic36 intnet lan", "36:intnet=lan 36:nic=intnet");
	check_parse(changes_parse_control, "nic1 hostonly vboxnet0",
		    "1:host-only-adapter=vboxnet0 1:nic=hostonly");
	check_parse(changes_parse_control, "nic1 generic UDPTunnel",
		    "1:nic-generic-drv=UDPTunnel 1:nic=generic");
	check_parse(changes_parse_control, "nic1 natnetwork n1",
		    "1:nat-network=n1 1:nic=natnetwork");
}

/* Unlike modifyvm it wants keywords to the letter. */
static void
test_control_errors(void)
{
	check_refusal(changes_parse_control, "setlinkstate1 ON", "'ON'");
	check_refusal(changes_parse_control, "setlinkstate1 maybe", "on or off");
	check_refusal(changes_parse_control, "setlinkstate1", "needs a value");
	check_refusal(changes_parse_control, "setlinkstate off", "needs the number");
	check_refusal(changes_parse_control, "setlinkstate37 off", "1 to 36");
	check_refusal(changes_parse_control, "setlinkstate1 off now", "Unexpected 'now'");
	check_refusal(changes_parse_control, "setlinkstat1 off", "'setlinkstate1'");
	check_refusal(changes_parse_control, "nicpromisc1 allow-network", "'allow-network'");
	check_refusal(changes_parse_control, "nic1 NAT", "'nat'");
	check_refusal(changes_parse_control, "nic1 none", "'none'");
	check_refusal(changes_parse_control, "nic1 cloud", "'cloud'");
	check_refusal(changes_parse_control, "nic1 intnet", "needs a name");
	check_refusal(changes_parse_control, "nic1 intnet a b", "Unexpected 'b'");
	check_refusal(changes_parse_control, "nicproperty1 sport", "NAME=VALUE");
	check_refusal(changes_parse_control, "natpf1 delete", "name of a rule");
	check_refusal(changes_parse_control, "zap", "Unknown command 'zap'");
}

static void
test_variant(void)
{
	char *args[] = { (char *)"--nic1", (char *)"nat", (char *)"--name", (char *)"b", NULL };
	g_autoptr(GPtrArray) changes = changes_parse_options(args, NULL);
	g_autoptr(GVariant) variant = g_variant_ref_sink(changes_to_variant(changes));
	g_autofree char *text = g_variant_print(variant, FALSE);

	g_assert_cmpstr(text, ==, "[(1, 'nic', 'nat'), (0, 'name', 'b')]");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cli/modifyvm/spellings", test_spellings);
	g_test_add_func("/cli/modifyvm/every-option-refuses", test_every_option_refuses);
	g_test_add_func("/cli/modifyvm/options", test_options);
	g_test_add_func("/cli/modifyvm/errors", test_option_errors);
	g_test_add_func("/cli/controlvm/words", test_control);
	g_test_add_func("/cli/controlvm/errors", test_control_errors);
	g_test_add_func("/cli/variant", test_variant);
	return g_test_run();
}
