package serve_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/serve"
)

// A server on a free port of this machine, until the context ends.
func ExampleServer_Serve() {
	ctx, stop := context.WithCancel(context.Background())
	m, err := biggan.Open(ctx, "letters")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	server, err := serve.New(serve.Config{Models: []serve.Model{{Name: "letters", Model: m}}, Parallel: 1, Queue: 8})
	if err != nil {
		log.Fatal(err)
	}
	l, err := serve.Listen(ctx, "127.0.0.1:0", "")
	if err != nil {
		log.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- server.Serve(ctx, l) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(serve.URL(l) + "healthz")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s", body)
	stop()
	fmt.Println(<-stopped)
	// Output:
	// {"status":"ok"}
	// serve: stopped: context canceled
}
