/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* value.h - one property's text parsed into its value, by the rules of jackfield/property.h. */
#ifndef JF_VALUE_H
#define JF_VALUE_H

#include "jackfield/property.h"

/* Parses `text` by the type, range and choices of `spec` into `value`, whatever that held. FALSE
 * leaves `value` alone: say what jf_value_expects says. `text` "" is never valid. */
gboolean jf_value_parse(const JfPropSpec *spec, const char *text, JfValue *value);

/* Frees what the value owns and leaves it unset. */
void jf_value_clear(JfValue *value);

/* What a value of this property looks like, for people: "a number from 1 to 65535". g_free it. */
char *jf_value_expects(const JfPropSpec *spec);

/* "bool", "int", "size", ...; NULL for a number that is no JfPropType. */
const char *jf_prop_type_name(guint32 type);

#endif
