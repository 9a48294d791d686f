// ARMA(1, 1): the value before the first is replaced by mu, its shock by 0.
data {
  int<lower=1> T;
  vector[T] y;
}
parameters {
  real mu;
  real phi;
  real theta;
  real<lower=0> sigma;
}
model {
  vector[T] centred = y - mu; // what the last value explains is taken off for all times at once
  vector[T] shock;
  centred[2 : T] -= phi * y[1 : T - 1];
  shock[1] = centred[1] - phi * mu;
  for (t in 2 : T) {
    shock[t] = centred[t] - theta * shock[t - 1];
  }
  mu ~ normal(0, 10);
  phi ~ normal(0, 2);
  theta ~ normal(0, 2);
  sigma ~ cauchy(0, 2.5);
  shock ~ normal(0, sigma);
}
