/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-plan.h - what a card's settings mean in drivers and properties. */
#ifndef JACKFIELDD_CARD_PLAN_H
#define JACKFIELDD_CARD_PLAN_H

#include <glib.h>

#include "forward.h"
#include "machine-config.h"

/* Where a card's files are. */
typedef struct CardPlace {
	const char *machine;     /* its name */
	const char *config_dir;  /* absolute */
	const char *runtime_dir; /* absolute */
	const char *short_id;    /* the machine's id in file names, unique in the daemon */
	guint slot;              /* 0-based */
	const char *connector;   /* chosen when it was started; NULL: as configured */
} CardPlace;

typedef struct CardPlan {
	guint8 mac[6];
	guint32 promiscuous; /* JfPromiscuous */
	gboolean cable_connected;
	guint32 line_speed; /* kbit/s, 0: the model's own */
	char *attachment;
	char **attachment_properties;
	char *model; /* NULL: the VMM has its own */
	char **model_properties;
	char *connector;
	char **connector_properties;
	char *address;       /* socket of the connector; NULL: it has none */
	char *trace_file;    /* NULL: no trace */
	char *trace_dir;     /* to be made for the default trace file; else NULL */
	GPtrArray *forwards; /* Forward */
} CardPlan;

/* Errors: STATE (something is still to be set), NOT_FOUND (driver), VALUE (path too long). */
CardPlan *card_plan_new(const CardConfig *config, const ConfigEnv *env, const CardPlace *place,
			GError **error);
void card_plan_free(CardPlan *plan);
/* Where the trace goes; the configured file or the default. */
char *card_plan_dup_trace_file(const CardConfig *config, const CardPlace *place);
/* The connector's socket; NULL: it has none, or is not installed. */
char *card_plan_dup_address(const CardConfig *config, const ConfigEnv *env, const CardPlace *place);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CardPlan, card_plan_free)

#endif
