// Counts by a cubic in the year with overdispersion.
data {
  int<lower=0> n;
  array[n] int<lower=0> C;
  vector[n] year;
}
transformed data {
  matrix[n, 3] X;
  X[ : , 1] = year;
  X[ : , 2] = square(year);
  X[ : , 3] = X[ : , 2] .* year;
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
  C ~ poisson_log_glm(X, alpha + eps, [beta1, beta2, beta3]');
}
