/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-services.c - the list of what answers at the engine's own addresses. */
#include "nat.h"

const NatService *const nat_services[] = { NULL };
