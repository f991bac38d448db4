package sample

import "math"

// ndtri is the inverse of the standard normal distribution function, by the rational
// approximations of the Cephes library (Moshier, ndtri.c), for 0 < y < 1.
func ndtri(y float64) float64 {
	const (
		sqrt2Pi = 2.50662827463100050242e0
		tail    = 0.13533528323661269189 // exp(-2)
	)
	upper := y > 1-tail
	if upper {
		y = 1 - y
	}
	if y > tail {
		y -= 0.5
		y2 := y * y
		x := y + float64(y*float64(y2*polynomial(y2, centreP)/monic(y2, centreQ)))
		return x * sqrt2Pi
	}
	x := math.Sqrt(-2 * math.Log(y))
	x0 := x - math.Log(x)/x
	z := 1 / x
	var x1 float64
	if x < 8 {
		x1 = z * polynomial(z, nearP) / monic(z, nearQ)
	} else {
		x1 = z * polynomial(z, farP) / monic(z, farQ)
	}
	if upper {
		return x0 - x1
	}
	return -(x0 - x1)
}

// polynomial is coefficients[0]·x^n + ... + coefficients[n], without fused operations.
func polynomial(x float64, coefficients []float64) float64 {
	sum := coefficients[0]
	for _, c := range coefficients[1:] {
		sum = float64(sum*x) + c
	}
	return sum
}

// monic is the same with a leading coefficient of one that the table leaves out.
func monic(x float64, coefficients []float64) float64 {
	sum := x + coefficients[0]
	for _, c := range coefficients[1:] {
		sum = float64(sum*x) + c
	}
	return sum
}

// Coefficients of ndtri.c: |y - 1/2| up to 3/8; sqrt(-2 ln y) from 2 to 8; from 8 to 64.
var (
	centreP = []float64{
		-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1,
		1.39312609387279679503e1, -1.23916583867381258016e0,
	}
	centreQ = []float64{
		1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1, -2.25462687854119370527e2,
		2.00260212380060660359e2, -8.20372256168333339912e1, 1.59056225126211695515e1, -1.18331621121330003142e0,
	}
	nearP = []float64{
		4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1, 4.40805073893200834700e1,
		1.46849561928858024014e1, 2.18663306850790267539e0, -1.40256079171354495875e-1, -3.50424626827848203418e-2,
		-8.57456785154685413611e-4,
	}
	nearQ = []float64{
		1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1, 1.50425385692907503408e1,
		2.50464946208309415979e0, -1.42182922854787788574e-1, -3.80806407691578277194e-2, -9.33259480895457427372e-4,
	}
	farP = []float64{
		3.23774891776946035970e0, 6.91522889068984211695e0, 3.93881025292474443415e0, 1.33303460815807542389e0,
		2.01485389549179081538e-1, 1.23716634817820021358e-2, 3.01581553508235416007e-4, 2.65806974686737550832e-6,
		6.23974539184983293730e-9,
	}
	farQ = []float64{
		6.02427039364742014255e0, 3.67983563856160859403e0, 1.37702099489081330271e0, 2.16236993594496635890e-1,
		1.34204006088543189037e-2, 3.28014464682127739104e-4, 2.89247864745380683936e-6, 6.79019408009981274425e-9,
	}
)
