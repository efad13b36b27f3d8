/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-error.h - JF_ERROR across D-Bus, and the names that both sides agree on. */
#ifndef JACKFIELD_BUS_ERROR_H
#define JACKFIELD_BUS_ERROR_H

#include <glib.h>

#define BUS_NAME "org.jackfield"
#define BUS_MANAGER_PATH "/org/jackfield/Manager"
#define BUS_API_VERSION 1u

/* Makes GDBus turn JF_ERROR into org.jackfield.Error.* and back. Call it before the first D-Bus
 * call, in both programs. */
void bus_error_register(void);

#endif
