/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-error.c - JF_ERROR across D-Bus. */
#include "bus-error.h"

#include <gio/gio.h>

#include "jackfield/abi.h"

static const struct {
	JfErrorCode code;
	const char *name;
} error_names[] = {
	{ JF_ERROR_NOT_FOUND, "org.jackfield.Error.NotFound" },
	{ JF_ERROR_KEY, "org.jackfield.Error.Key" },
	{ JF_ERROR_VALUE, "org.jackfield.Error.Value" },
	{ JF_ERROR_STATE, "org.jackfield.Error.State" },
	{ JF_ERROR_BUSY, "org.jackfield.Error.Busy" },
	{ JF_ERROR_PERMISSION, "org.jackfield.Error.Permission" },
	{ JF_ERROR_NETWORK, "org.jackfield.Error.Network" },
	{ JF_ERROR_UNSUPPORTED, "org.jackfield.Error.Unsupported" },
	{ JF_ERROR_PLUGIN, "org.jackfield.Error.Plugin" },
	{ JF_ERROR_ABI, "org.jackfield.Error.Abi" },
};

void
bus_error_register(void)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(error_names); i++)
		g_dbus_error_register_error(JF_ERROR, error_names[i].code, error_names[i].name);
}
