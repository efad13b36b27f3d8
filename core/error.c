/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - the error domain of the control path. */
#include "jackfield/abi.h"

GQuark
jf_error_quark(void)
{
	return g_quark_from_static_string("jackfield-error");
}
