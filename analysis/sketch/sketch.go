// Package sketch holds fixed-size summaries of streams that merge exactly.
//
// The law: for every way to cut a stream of inputs into parts and every way to
// group the merges of the parts,
//
//	reflect.DeepEqual(sketch(whole), sketch(part1).Merge(sketch(part2))…)
//
// and an empty sketch is the identity. Every type keeps it by being canonical:
// its fields are a function of its inputs alone, never of how they arrived.
//
//   - [Histogram], [Series], [Gauge], [Peaks] and [Top] are functions of the multiset of
//     inputs: parts may also be merged in any order.
//   - [Stretch] is a function of the sequence: parts merge in order.
//
// Everything is counted in int64, whose addition is associative (also when it
// wraps). Float sums are not: (a+b)+c and a+(b+c) differ in the last bits, so a
// result would depend on the number of workers. t-digests and sampling
// sketches are out for the same reason: where their centroids lie depends on
// the order and the grouping of the inputs, and no bound on their error holds
// in the tail.
//
// Sketches that are merged must have the same parameters (lanes, n, minimum);
// Merge panics otherwise. Merge neither changes nor keeps its argument, which
// must not be the receiver. Adding allocates when a sketch gets its first
// input, and once more when a Histogram outgrows its inline values; never
// again. Sketches are not safe for concurrent use, and must not be copied.
package sketch
