/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward.c - port-forwarding rules on their way to the driver that has them. */
#include "driver-copy.h"
#include "instance.h"

typedef struct ForwardCall {
	const JfForward *forward;
	const JfForwardRule *rule; /* NULL: remove `name` */
	const char *name;
	gboolean ok;
	GError *error;
} ForwardCall;

static void
forward_call(JfInstance *inst, gpointer data)
{
	ForwardCall *call = data;

	call->ok = call->rule ? call->forward->add(inst, call->rule, &call->error)
			      : call->forward->remove(inst, call->name, &call->error);
}

static gboolean
instance_forward(JfInstanceFull *inst, const JfForwardRule *rule, const char *name, GError **error)
{
	const JfDriver *driver = inst->pub.driver;
	ForwardCall call = { .rule = rule, .name = name };

	call.forward = driver->query ? driver->query(&inst->pub, JF_FORWARD_IID) : NULL;
	if (!call.forward) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s '%s' does not forward ports%s", jf_kind_name(driver->kind),
			    driver->id, driver->kind == JF_KIND_ATTACHMENT ? "; 'nat' does" : "");
		return FALSE;
	}
	jf_instance_call(inst, forward_call, &call);
	if (call.error)
		g_propagate_error(error, call.error);
	return call.ok;
}

gboolean
jf_instance_add_forward(JfInstanceFull *inst, const JfForwardRule *rule, GError **error)
{
	return instance_forward(inst, rule, rule->name, error);
}

gboolean
jf_instance_remove_forward(JfInstanceFull *inst, const char *name, GError **error)
{
	return instance_forward(inst, NULL, name, error);
}
