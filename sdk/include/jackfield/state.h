/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state.h - "jf.state/1": a driver's state saved and loaded. */
#ifndef JACKFIELD_STATE_H
#define JACKFIELD_STATE_H

#include <glib.h>

#include "driver.h"

G_BEGIN_DECLS

#define JF_STATE_IID "jf.state/1"

/*
 * Both on the instance's worker, while it is stopped. State is a GVariant of type a{sv} in normal
 * form, little-endian; keys are the driver's own and carry the data sheet's names. Saving what was
 * just loaded gives an equal value.
 */
typedef struct JfState {
	guint32 struct_size;
	guint32 version; /* of this driver's state: a loader takes any version up to its own */
	/* A floating reference, or NULL with an error. */
	GVariant *(*save)(JfInstance *inst, GError **error);
	/* `state` is hostile: a missing or unknown key, a wrong type or a value out of range is
	 * VALUE, and leaves the instance as it was. */
	gboolean (*load)(JfInstance *inst, guint32 version, GVariant *state, GError **error);
} JfState;

G_END_DECLS

#endif
