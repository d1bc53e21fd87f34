// Package lab runs everything that a migration needs on one machine: two real
// Kubernetes clusters, an AWS with a data plane, and in each cluster two nodes and
// the controller that binds pods to target groups. All are ordinary processes
// of the user on loopback, under one supervisor.
//
// It promises that up ends with everything ready or says what is not and why;
// that a component that dies is started again; that whatever is made to go wrong
// (see Inject) ends by itself and with the lab; and that after a kill at any
// moment the next up or down removes what the lab started and nothing else.
// It needs Linux, but never root, a container engine or a network; and the
// product does not know that it is in a lab. Labs in different directories can run
// at the same time.
package lab
