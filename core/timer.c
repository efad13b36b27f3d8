/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timer.c - a heap of one-shot timers. */
#include "timer.h"

static JfTimerNode *
heap_get(const JfTimerHeap *heap, guint index)
{
	return g_ptr_array_index(heap->nodes, index);
}

static void
heap_put(JfTimerHeap *heap, guint index, JfTimerNode *node)
{
	g_ptr_array_index(heap->nodes, index) = node;
	node->index = index;
}

static void
heap_sift_up(JfTimerHeap *heap, guint index, JfTimerNode *node)
{
	while (index > 0) {
		guint parent = (index - 1) / 2;

		if (heap_get(heap, parent)->deadline <= node->deadline)
			break;
		heap_put(heap, index, heap_get(heap, parent));
		index = parent;
	}
	heap_put(heap, index, node);
}

static void
heap_sift_down(JfTimerHeap *heap, guint index, JfTimerNode *node)
{
	for (;;) {
		guint child = 2 * index + 1;

		if (child >= heap->nodes->len)
			break;
		if (child + 1 < heap->nodes->len &&
		    heap_get(heap, child + 1)->deadline < heap_get(heap, child)->deadline)
			child++;
		if (node->deadline <= heap_get(heap, child)->deadline)
			break;
		heap_put(heap, index, heap_get(heap, child));
		index = child;
	}
	heap_put(heap, index, node);
}

static void
heap_remove(JfTimerHeap *heap, JfTimerNode *node)
{
	guint index = node->index;
	JfTimerNode *last = g_ptr_array_steal_index_fast(heap->nodes, heap->nodes->len - 1);

	node->index = JF_TIMER_IDLE;
	if (last == node)
		return;
	if (index > 0 && last->deadline < heap_get(heap, (index - 1) / 2)->deadline)
		heap_sift_up(heap, index, last);
	else
		heap_sift_down(heap, index, last);
}

static void
due_remove(JfTimerHeap *heap, JfTimerNode *node)
{
	JfTimerNode **link = &heap->due;

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	node->index = JF_TIMER_IDLE;
}

void
jf_timer_heap_init(JfTimerHeap *heap)
{
	heap->nodes = g_ptr_array_new();
	heap->due = NULL;
}

void
jf_timer_heap_finish(JfTimerHeap *heap)
{
	g_clear_pointer(&heap->nodes, g_ptr_array_unref);
}

void
jf_timer_node_init(JfTimerNode *node)
{
	*node = (JfTimerNode){ .index = JF_TIMER_IDLE };
}

void
jf_timer_heap_arm(JfTimerHeap *heap, JfTimerNode *node, guint64 deadline)
{
	if (node->index == JF_TIMER_DUE)
		due_remove(heap, node);
	else if (node->index != JF_TIMER_IDLE)
		heap_remove(heap, node);
	if (deadline == 0)
		return;
	node->deadline = deadline;
	g_ptr_array_add(heap->nodes, node);
	heap_sift_up(heap, heap->nodes->len - 1, node);
}

guint64
jf_timer_heap_get_next(const JfTimerHeap *heap)
{
	return heap->nodes->len ? heap_get(heap, 0)->deadline : 0;
}

void
jf_timer_heap_collect(JfTimerHeap *heap, guint64 now)
{
	JfTimerNode **tail = &heap->due;

	while (*tail)
		tail = &(*tail)->next;
	while (heap->nodes->len && heap_get(heap, 0)->deadline <= now) {
		JfTimerNode *node = heap_get(heap, 0);

		heap_remove(heap, node);
		node->index = JF_TIMER_DUE;
		node->next = NULL;
		*tail = node;
		tail = &node->next;
	}
}

JfTimerNode *
jf_timer_heap_pop(JfTimerHeap *heap)
{
	JfTimerNode *node = heap->due;

	if (node) {
		heap->due = node->next;
		node->index = JF_TIMER_IDLE;
	}
	return node;
}
