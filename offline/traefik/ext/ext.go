// Package ext is empty, and Traefik's own is too: the place where builds other than the open-source one add settings.
// It lies in a folder of Traefik's repository that is a module of its own and not published as one, so no module mirror
// has it.
package ext

// HTTP adds nothing to the configuration of HTTP.
type HTTP struct{}

// Router adds nothing to the configuration of a router.
type Router struct{}
