/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-engine.c - the engine's life: start, stop, services, and the frames that go in and out. */
#include "nat.h"

struct NatEngine {
	JfInstance *inst;
	const NatConfig *config;
	const NatSide *side;
};

NatEngine *
nat_engine_new(JfInstance *inst, const NatConfig *config, const NatSide *side)
{
	NatEngine *engine = g_new0(NatEngine, 1);

	engine->inst = inst;
	engine->config = config;
	engine->side = side;
	return engine;
}

void
nat_engine_free(NatEngine *engine)
{
	g_free(engine);
}

gboolean
nat_engine_start(NatEngine *engine, GError **error)
{
	(void)engine;
	(void)error;
	return TRUE;
}

void
nat_engine_stop(NatEngine *engine)
{
	(void)engine;
}

guint
nat_engine_input(NatEngine *engine, const JfFrame *frames, guint n)
{
	(void)engine;
	(void)frames;
	return n;
}

void
nat_engine_resume(NatEngine *engine)
{
	(void)engine;
}

gboolean
nat_engine_add_forward(NatEngine *engine, const JfForwardRule *rule, GError **error)
{
	(void)rule;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "%s: no port forwards yet",
		    engine->inst->name);
	return FALSE;
}

gboolean
nat_engine_remove_forward(NatEngine *engine, const char *name, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: no port forward '%s'",
		    engine->inst->name, name);
	return FALSE;
}

JfInstance *
nat_engine_get_instance(NatEngine *engine)
{
	return engine->inst;
}

const NatConfig *
nat_engine_get_config(NatEngine *engine)
{
	return engine->config;
}
