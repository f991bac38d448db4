package torch_test

import (
	"fmt"
	"log"

	"github.com/biggan-zoo/biggan/convert/torch"
)

// Open reads any checkpoint of PyTorch without running what is in it.
func ExampleOpen() {
	f, err := torch.Open("../../testdata/golden/letters/pytorch_model.bin")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println(f.Container(), len(f.Tensors()))
	// Output: legacy 362
}
