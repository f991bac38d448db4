package serve

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// choose picks the offer that the Accept header likes best (RFC 9110, 12.5.1); of equals the
// first. No header takes anything.
func choose(accept string, offers []string) (string, *failure) {
	if strings.TrimSpace(accept) == "" {
		return offers[0], nil
	}
	best, quality := "", 0.0
	for _, offer := range offers {
		if q := qualityOf(accept, offer); q > quality {
			best, quality = offer, q
		}
	}
	if best == "" {
		return "", &failure{
			status: http.StatusNotAcceptable, Message: fmt.Sprintf("Accept: %q is nothing that there is", accept),
			Hint: "there is " + strings.Join(offers, ", "),
		}
	}
	return best, nil
}

// qualityOf is the weight of the most specific range that holds an offer, 0 if none does.
func qualityOf(accept, offer string) float64 {
	kind, _, _ := strings.Cut(offer, "/")
	specificity, quality := 0, 0.0
	for _, part := range strings.Split(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		s := map[string]int{offer: 3, kind + "/*": 2, "*/*": 1}[name]
		if s <= specificity {
			continue
		}
		specificity, quality = s, 1
		if q, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil || quality < 0 || quality > 1 {
				quality = 0
			}
		}
	}
	return quality
}
