/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * property.h - a driver's property table and the values that an instance has of it.
 *
 * The functions are those of jackfield/vmm.h: jf_driver_get_prop, jf_driver_check_prop and
 * jf_property_set_*. Keys compare without case. They also take a driver that the registry has not
 * copied, if its rows are not shorter than this ABI's.
 */
#ifndef JF_PROPERTY_H
#define JF_PROPERTY_H

#include "jackfield/vmm.h"

/* Row and number of property `key`; NULL with KEY, near keys in the message. `index` may be NULL. */
const JfPropSpec *jf_driver_find_prop(const JfDriver *driver, const char *key, guint *index,
				      GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfPropertySet, jf_property_set_free)

#endif
