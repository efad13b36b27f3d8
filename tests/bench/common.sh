# SPDX-License-Identifier: LGPL-2.1-or-later
# common.sh - what the benchmarks share; they source it.
#
# Peers run by turns, one run of each before the next of any, so that a busy machine is unkind to all
# of them; figures are medians.
set -euo pipefail

TOP=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(realpath "${JACKFIELD_BUILD:-$TOP/build}")
RUNS=${RUNS:-3}
SECONDS_EACH=${SECONDS_EACH:-1}
L2GEN=$BUILD/tests/bench/l2gen
DIR=$(mktemp -d)
declare -A PIDS SAMPLES

[ -x "$L2GEN" ] || { echo "no $L2GEN: build first, or say where with JACKFIELD_BUILD" >&2; exit 1; }

finish()
{
	for pid in "${PIDS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$DIR"
}
trap finish EXIT

have()
{
	command -v "$1" >/dev/null && return
	echo "no $1 here: left out" >&2
	return 1
}

# wait_for FILE: until it exists, at most 10 s
wait_for()
{
	for _ in $(seq 500); do
		[ -e "$1" ] && return
		sleep 0.02
	done
	echo "$1 did not come to be" >&2
	return 1
}

# start_cards NAME CONNECTOR ATTACHMENT...
start_cards()
{
	local name=$1 fifo=$DIR/$1.in
	shift
	mkfifo "$fifo"
	"$BUILD/tests/bench/bench-cards" \
		"$BUILD/plugins/connectors/stream/stream.so" \
		"$BUILD/attachments/internal/internal.so" \
		"$BUILD/attachments/udp-tunnel/udp-tunnel.so" \
		-- "$@" <"$fifo" >"$DIR/$name.out" 2>"$DIR/$name.log" &
	PIDS[$name]=$!
	exec {hold}>"$fifo"
}

# start_qemu NAME NETDEV NETDEV: a hub between two of QEMU's network back ends
start_qemu()
{
	qemu-system-x86_64 -M none -nodefaults -display none -monitor none \
		-netdev "$2,id=a" -netdev "$3,id=b" \
		-netdev hubport,id=ha,hubid=0,netdev=a -netdev hubport,id=hb,hubid=0,netdev=b \
		>"$DIR/$1.log" 2>&1 &
	PIDS[$1]=$!
}

# sample KEY PEER L2GEN-ARGUMENTS...: one run; CPU time is that of the process CPU_OF, or PEER
sample()
{
	local key=$1 peer=$2
	shift 2
	SAMPLES[$key/$peer]+="$(timeout 30 "$L2GEN" -t "$SECONDS_EACH" -p "${PIDS[${CPU_OF:-$peer}]}" "$@" ||
		echo 0 0 0 0)"$'\n'
}

# median KEY PEER COLUMN
median()
{
	printf '%s' "${SAMPLES[$1/$2]:-}" | awk -v c="$3" '{ print $c }' | sort -g |
		awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'
}

# row KEY COLUMN UNIT SCALE PEER...: ours against each
row()
{
	local key=$1 column=$2 unit=$3 scale=$4 ours theirs
	shift 4
	ours=$(median "$key" ours "$column")
	for peer in "$@"; do
		[ -n "${PIDS[$peer]:-}" ] || continue
		theirs=$(median "$key" "$peer" "$column")
		awk -v k="$key" -v u="$unit" -v o="$ours" -v t="$theirs" -v p="$peer" -v s="$scale" \
			-v c="$(median "$key" ours 4)" -v d="$(median "$key" "$peer" 4)" \
			'BEGIN { printf "%-22s ours %9.2f %-7s (%5.0f ns/frame)   %-12s %9.2f (%5.0f ns/frame)   ratio %6.2f\n",
				k, o / s, u, c, p, t / s, d, (t > 0 ? o / t : 0) }'
	done
}
