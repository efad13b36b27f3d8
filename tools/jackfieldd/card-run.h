/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-run.h - a card of a running machine: a JfCard that follows its plan. */
#ifndef JACKFIELDD_CARD_RUN_H
#define JACKFIELDD_CARD_RUN_H

#include "card-plan.h"

typedef struct CardRun CardRun;

/* Makes the card and starts it. `plan` is taken over when it works. */
CardRun *card_run_new(JfContext *context, JfWorker *worker, const CardPlace *place, CardPlan **plan,
		      GError **error);
void card_run_free(CardRun *run);
/* Makes the running card follow another plan (same MAC and connector), which is then taken over.
 * FALSE leaves it as it was, as far as that works. */
gboolean card_run_apply(CardRun *run, CardPlan **plan, GError **error);

JfCard *card_run_get_card(CardRun *run);
const CardPlan *card_run_get_plan(CardRun *run);
JfWorker *card_run_get_worker(CardRun *run);
/* Whether link or error are others than when this was asked last. */
gboolean card_run_poll(CardRun *run);
gboolean card_run_get_link(CardRun *run);
/* NULL: none. */
const char *card_run_get_error(CardRun *run);

#endif
