/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-services.c - the list of what answers at the engine's own addresses. */
#include "nat-services.h"

const NatService *const nat_services[] = {
	&nat_service_resolv,
	&nat_service_dhcp,
	&nat_service_dhcp6,
	&nat_service_ra,
	&nat_service_dns,
	&nat_service_tftp,
	NULL,
};
