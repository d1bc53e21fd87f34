// Package fault says what can be made to go wrong in the lab, as plain data: the
// calls of its AWS, the processes of its clusters, the network around one side.
//
// It promises that every fault has an end, that it is refused with what there is
// to choose from if it makes no sense, and that the same faults with the same
// seeds bite the same calls. What a fault does to the world is the business of
// whoever holds it: the lab's AWS for calls, the lab's supervisor for the rest.
// Package lab injects, lists and heals them by the directory of a lab.
package fault
