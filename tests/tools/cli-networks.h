/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-networks.h - what the tests of networks begin with. */
#ifndef JACKFIELD_CLI_NETWORKS_H
#define JACKFIELD_CLI_NETWORKS_H

#include "cli-harness.h"

#define ADD "natnetwork add --netname n --network 192.168.15.0/24"
#define DHCP_ADD                                                                   \
	"dhcpserver add --network d --server-ip 10.1.0.2 --netmask 255.255.255.0 " \
	"--lower-ip 10.1.0.10 --upper-ip 10.1.0.20"

#endif
