// Counts by a cubic in the year with overdispersion.
data {
  int<lower=0> n;
  array[n] int<lower=0> C;
  vector[n] year;
}
transformed data {
  vector[n] year2 = square(year);
  vector[n] year3 = year .* year2;
}
parameters {
  real<lower=-20, upper=20> alpha;
  real<lower=-10, upper=10> beta1;
  real<lower=-10, upper=20> beta2;
  real<lower=-10, upper=10> beta3;
  real<lower=0, upper=5> sigma;
  vector[n] eps;
}
model {
  beta2 ~ uniform(-10, 10); // the other bounds are their priors' own
  eps ~ normal(0, sigma);
  C ~ poisson_log(alpha + beta1 * year + beta2 * year2 + beta3 * year3 + eps);
}
