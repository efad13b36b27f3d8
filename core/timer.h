/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timer.h - a heap of one-shot timers. It knows no clock: its worker tells it the time. */
#ifndef JF_TIMER_H
#define JF_TIMER_H

#include <glib.h>

#define JF_TIMER_IDLE G_MAXUINT32       /* JfTimerNode.index: not armed */
#define JF_TIMER_DUE (G_MAXUINT32 - 1u) /* taken from the heap, its callback not yet run */

/* Embedded in whatever has a deadline. */
typedef struct JfTimerNode {
	guint64 deadline;
	guint32 index;            /* in the heap, or JF_TIMER_* */
	struct JfTimerNode *next; /* while due */
} JfTimerNode;

typedef struct JfTimerHeap {
	GPtrArray *nodes;
	JfTimerNode *due; /* in the order of their deadlines */
} JfTimerHeap;

void jf_timer_heap_init(JfTimerHeap *heap);
void jf_timer_heap_finish(JfTimerHeap *heap);

void jf_timer_node_init(JfTimerNode *node);
/* Deadline 0 disarms. Whatever the node's state was. */
void jf_timer_heap_arm(JfTimerHeap *heap, JfTimerNode *node, guint64 deadline);
/* The earliest deadline, 0 when nothing is armed. */
guint64 jf_timer_heap_get_next(const JfTimerHeap *heap);
/* Marks every timer with a deadline up to `now` as due; take them with jf_timer_heap_pop. A timer
 * that is armed meanwhile waits for the next collection. */
void jf_timer_heap_collect(JfTimerHeap *heap, guint64 now);
/* The next due node, idle from now on; NULL when there is none. */
JfTimerNode *jf_timer_heap_pop(JfTimerHeap *heap);

#endif
