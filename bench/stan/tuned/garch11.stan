// GARCH(1, 1), by the variance: no root is taken inside the recurrence.
data {
  int<lower=1> T;
  vector[T] y;
  real<lower=0> sigma1;
}
parameters {
  real mu;
  real<lower=0> alpha0;
  real<lower=0, upper=1> alpha1;
  real<lower=0, upper=1 - alpha1> beta1;
}
model {
  vector[T - 1] innovation = alpha0 + alpha1 * square(y[1 : T - 1] - mu);
  vector[T] variance;
  variance[1] = square(sigma1);
  for (t in 2 : T) {
    variance[t] = innovation[t - 1] + beta1 * variance[t - 1];
  }
  y ~ normal(mu, sqrt(variance));
}
