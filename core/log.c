/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c - lines for people, on their way to the program. */
#include "log.h"

#include "jackfield/driver.h"

#include "context.h"

void
jf_context_log(JfContext *context, GLogLevelFlags level, const char *origin, const char *message)
{
	g_autofree char *line = NULL;

	if (!context->events.log)
		return;
	line = g_utf8_make_valid(message, -1);
	for (char *c = line; *c; c++) {
		if (g_ascii_iscntrl(*c))
			*c = '?';
	}
	context->events.log(level, origin, line, context->data);
}

void
jf_log(JfInstance *inst, GLogLevelFlags level, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list args;

	va_start(args, format);
	message = g_strdup_vprintf(format, args);
	va_end(args);
	inst->host->log(inst, level, message);
}
