/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-object.h - object paths, and the tables of what each interface does. */
#ifndef JACKFIELDD_BUS_OBJECT_H
#define JACKFIELDD_BUS_OBJECT_H

#include <gio/gio.h>

#include "daemon.h"

#define BUS_ROOT "/org/jackfield"

typedef struct BusInterface BusInterface;

/* An object for the length of one call. */
typedef struct BusObject {
	const BusInterface *interface;
	Daemon *daemon;
	Machine *machine; /* of a machine or card */
	guint slot;       /* of a card */
	char *network;    /* of a network: its name, g_free */
} BusObject;

typedef struct BusCall {
	const BusObject *object;
	GVariant *args;
	GDBusConnection *connection;
} BusCall;

typedef struct BusMethod {
	const char *name;
	/* The result as a floating tuple; NULL: an error, or with no error no result. */
	GVariant *(*call)(const BusCall *call, GError **error);
} BusMethod;

typedef struct BusProperty {
	const char *name;
	GVariant *(*get)(const BusObject *object); /* floating */
} BusProperty;

/* Both tables end with a NULL name. */
struct BusInterface {
	const char *subtree; /* below BUS_ROOT; NULL: the manager */
	GDBusInterfaceInfo *(*get_info)(void);
	const BusMethod *methods;
	const BusProperty *properties;
	/* Fills the object in from its name in the subtree. FALSE: there is none. */
	gboolean (*find)(BusObject *object, const char *node);
	/* Names in the subtree, g_strfreev. */
	char **(*list)(Daemon *daemon);
};

extern const BusInterface bus_manager_interface;
extern const BusInterface bus_machine_interface;
extern const BusInterface bus_card_interface;
extern const BusInterface bus_network_interface;

/* g_free. */
char *bus_get_machine_path(const char *uuid);
char *bus_get_card_path(const char *uuid, guint slot);
char *bus_get_network_path(const char *name);
/* The machine whose name in a path is `node`, or begins it up to `end`. NULL: none. */
Machine *bus_find_machine(Daemon *daemon, const char *node, gsize len);

/* All properties of an object as a{sv}, floating. */
GVariant *bus_object_get_properties(const BusObject *object);

#endif
