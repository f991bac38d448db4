package main

// storeDocuments are what the verbs of the store print under --json.
type storeDocuments struct {
	Pull      pullJSON      `json:"pull"`
	Remove    removedJSON   `json:"rm"`
	Prune     removedJSON   `json:"prune"`
	Checksums checksumsJSON `json:"checksums"`
	Files     filesJSON     `json:"verify --files"`
	Mirror    mirrorJSON    `json:"mirror"`
}
