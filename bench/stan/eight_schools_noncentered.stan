// Eight schools in the coordinate (effect - mu) / tau.
data {
  int<lower=1> J;
  vector[J] y;
  vector<lower=0>[J] sigma;
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[J] theta;
}
model {
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  theta ~ std_normal();
  y ~ normal(mu + tau * theta, sigma);
}
