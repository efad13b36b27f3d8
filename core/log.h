/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.h - lines for people, on their way to the program. */
#ifndef JF_LOG_H
#define JF_LOG_H

#include "jackfield/vmm.h"

/* One line of `origin`. Control characters, which may come from a guest, become '?'. [any] */
void jf_context_log(JfContext *context, GLogLevelFlags level, const char *origin,
		    const char *message);

#endif
