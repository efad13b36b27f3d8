/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-check.h - the functions of the table in card-key.c: one a kind of value. */
#ifndef JACKFIELDD_CARD_CHECK_H
#define JACKFIELDD_CARD_CHECK_H

#include "card-key.h"

char *card_check_bool(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
char *card_check_trace(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
char *card_check_path(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
char *card_check_nic_type(const CardKey *key, const ConfigEnv *env, const char *value,
			  GError **error);
char *card_check_mac(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
char *card_check_boot_prio(const CardKey *key, const ConfigEnv *env, const char *value,
			   GError **error);
char *card_check_speed(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
/* When all changes are in: UNSUPPORTED for a speed with an adapter that cannot report it. */
gboolean card_check_speed_type(const CardConfig *card, GError **error);
char *card_check_promisc(const CardKey *key, const ConfigEnv *env, const char *value,
			 GError **error);
char *card_check_generic_driver(const CardKey *key, const ConfigEnv *env, const char *value,
				GError **error);
char *card_check_connector(const CardKey *key, const ConfigEnv *env, const char *value,
			   GError **error);
/* A property of the driver of key->nic. */
char *card_check_option(const CardKey *key, const ConfigEnv *env, const char *value,
			GError **error);
/* A list of properties at once: "MTU,SOCKSND,SOCKRCV,TCPSND,TCPRCV", sizes in KiB, 0: the default. */
char *card_check_nat_settings(const CardKey *key, const ConfigEnv *env, const char *value,
			      GError **error);
/* The same as "NAME=VALUE" strings; what `skip` says is not wanted is left out. */
void card_nat_settings_expand(const char *value, gboolean (*skip)(const char *name, gpointer data),
			      gpointer data, GPtrArray *strings);
char *card_check_alias_mode(const CardKey *key, const ConfigEnv *env, const char *value,
			    GError **error);

gboolean card_set_nic(const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
		      CardConfig *card, const char *value, GError **error);
gboolean card_set_property(const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
			   CardConfig *card, const char *value, GError **error);
gboolean card_set_connector_property(const CardKey *key, const ConfigEnv *env,
				     MachineConfig *machine, CardConfig *card, const char *value,
				     GError **error);
/* Of the type that the card has now; those of other types stay. */
gboolean card_set_model_property(const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
				 CardConfig *card, const char *value, GError **error);
gboolean card_set_forward(const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
			  CardConfig *card, const char *value, GError **error);

#endif
