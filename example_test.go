package biggan_test

import (
	"context"
	"fmt"
	"log"

	"github.com/biggan-zoo/biggan"
)

// Two pictures of the letter A, of the embedded model.
func ExampleModel_Generate() {
	ctx := context.Background()
	m, err := biggan.Open(ctx, "letters")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	pictures, err := m.Generate(ctx, biggan.Request{Classes: []string{"A"}, N: 2, Seed: 1, Truncation: 0.5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(pictures), pictures[0].Bounds())
	// Output: 2 (0,0)-(32,32)
}

// A row of seven pictures on the way from an A to a B.
func ExampleModel_Interpolate() {
	ctx := context.Background()
	m, err := biggan.Open(ctx, "letters")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	rows, err := m.Interpolate(ctx, biggan.Interpolation{From: "A", To: "B", SeedA: 1, SeedB: 2, Steps: 7, Truncation: 0.5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(rows), len(rows[0]))
	// Output: 1 7
}

// Open takes a name of the registry or a converted file.
func ExampleOpen() {
	m, err := biggan.Open(context.Background(), "letters")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(m.Meta.Architecture, m.ZDim(), m.Labels.Len(), m.Blocks())
	// Output: biggan-deep 64 26 7
}

// Each hands over every picture as soon as it is drawn, with its class and latent vector.
func ExampleModel_Each() {
	ctx := context.Background()
	m, err := biggan.Open(ctx, "letters")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	err = m.Each(ctx, biggan.Request{N: 3, Seed: 4, Truncation: 0.4}, func(p biggan.Picture, n int) error {
		fmt.Printf("%d of %d: %s\n", p.Index+1, n, m.Labels.MixName(p.Class))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 of 3: F
	// 2 of 3: E
	// 3 of 3: F
}
